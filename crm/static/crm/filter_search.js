/* Filters with more choices than are drawn: what is typed above a select is looked up on
   the server, and the select shows what was found. Without this script the first hundreds
   can be chosen. */
(function () {
  "use strict";

  const WAIT_MS = 250;
  const SHOWN = 8;

  function start(field) {
    const box = field.parentElement;
    const select = box.querySelector("select");
    const state = box.querySelector("[role=status]");
    const drawn = Array.from(select.options);
    let timer = 0;
    let asked = 0;

    function show(options) {
      const chosen = select.selectedOptions[0];
      const isKept = chosen && chosen.value && !options.some(function (each) { return each.value === chosen.value; });
      select.replaceChildren.apply(select, isKept ? [chosen].concat(options) : options);
      if (chosen) {
        select.value = chosen.value;
      }
    }
    function close() {
      select.removeAttribute("size");
    }
    function say(words) {
      state.textContent = words;
      state.hidden = !words;
    }
    function back() {
      show(drawn);
      close();
      say("");
    }
    async function look() {
      asked += 1;
      const mine = asked;
      const text = field.value.trim();
      if (!text) {
        back();
        return;
      }
      let found = { results: [], more: false };
      try {
        const answer = await fetch(field.dataset.findChoices + "&q=" + encodeURIComponent(text), {
          headers: { Accept: "application/json" },
        });
        if (answer.ok && !answer.redirected) {
          found = await answer.json();
        }
      } catch {
        // The line below says that nothing was found; typing on asks again.
      }
      if (mine !== asked) {
        return;
      }
      show([drawn[0]].concat(found.results.map(function (row) { return new Option(row[1], row[0]); })));
      select.size = Math.min(SHOWN, Math.max(select.options.length, 2));
      select.scrollIntoView({ block: "nearest" });
      say(found.more ? field.dataset.more : found.results.length ? "" : field.dataset.nothing);
    }

    field.addEventListener("input", function () {
      window.clearTimeout(timer);
      timer = window.setTimeout(look, WAIT_MS);
    });
    field.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === "ArrowDown") {
        event.preventDefault();
        select.focus();
      }
    });
    // Looking up is no choice: the page must not take it for one.
    field.addEventListener("change", function (event) { event.stopPropagation(); });
    select.addEventListener("change", close);
  }

  document.querySelectorAll("[data-find-choices]").forEach(start);
})();
