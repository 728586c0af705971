"""How a message leaves: email today; webhook, chat and SMS have their place here."""
