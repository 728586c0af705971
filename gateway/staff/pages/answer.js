"use strict";
(() => {
  const main = document.querySelector("main");
  const said = { ...main.dataset };
  const KEPT = "continuum link";
  const kept = (() => { try { return window.sessionStorage; } catch { return null; } })();

  // The token leaves the address bar at once: it is not in the history, and not in a picture of the screen.
  let token = location.hash.slice(1);
  if (token) {
    kept?.setItem(KEPT, token);
    history.replaceState(null, "", location.pathname);
  } else {
    token = kept?.getItem(KEPT) || "";
  }
  addEventListener("hashchange", () => location.reload());

  const show = (html) => {
    main.innerHTML = html;
    const about = main.firstElementChild.dataset;
    if (about.lang) { document.documentElement.lang = about.lang; document.documentElement.dir = about.dir; }
    main.querySelector("form")?.addEventListener("submit", send);
    const warning = main.querySelector(".warn:not([hidden])");
    if (!warning) scrollTo(0, 0);
    (warning || main.querySelector("h1")).focus();
  };
  const tell = (words) => {
    const heading = document.createElement("h1");
    heading.tabIndex = -1;
    heading.textContent = words;
    show(`<div><span class="mark"></span>${heading.outerHTML}</div>`);
  };
  const ask = async (body) => {
    try {
      const answer = await fetch("/answer/questions", {
        method: body ? "POST" : "GET", body, cache: "no-store", credentials: "omit",
        headers: { Authorization: `Bearer ${token}` },
      });
      const html = (answer.headers.get("Content-Type") || "").startsWith("text/html");
      if (html) show(await answer.text());
      else if (answer.status === 401 || answer.status === 403 || answer.status === 404) tell(said.over);
      else return false;
    } catch { return false; }
    return true;
  };
  const send = async (event) => {
    event.preventDefault();
    const form = event.target, button = form.querySelector("button"), warn = form.querySelector(".warn");
    button.disabled = true;
    if (await ask(new URLSearchParams(new FormData(form)))) return;
    button.disabled = false;
    warn.hidden = false;
    warn.textContent = said.away;
    warn.focus();
  };

  if (!token) tell(said.over);
  else ask().then((there) => there || tell(said.away));
})();
