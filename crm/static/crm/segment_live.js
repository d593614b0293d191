/* What the server says while a rule is being written: how many it means, why somebody is
   in or not, and names to choose from. Older questions are dropped when a newer one goes. */
window.SegmentLive = (function () {
  "use strict";

  const WAIT_MS = 450;

  function start(settings, page) {
    const reach = document.getElementById("segment-reach");
    const state = document.getElementById("segment-reach-state");
    const change = document.getElementById("segment-change");
    const why = document.getElementById("segment-why");
    const form = document.getElementById("segment-why-form");
    let timer = 0;
    let running = null;
    const asked = {};

    function token() {
      return document.querySelector("input[name=csrfmiddlewaretoken]").value;
    }

    function place() {
      const unit = document.querySelector("#segment-form [name=org_unit]");
      const controller = document.querySelector("#segment-form [name=controller]");
      return {
        org_unit: unit ? unit.value : settings.org_unit,
        controller: controller ? controller.value : settings.controller,
      };
    }

    async function post(address, body, signal) {
      const answer = await fetch(address, {
        method: "POST",
        headers: { "X-CSRFToken": token(), "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(Object.assign(place(), body)),
        signal: signal,
      });
      if (answer.redirected) {
        window.location.reload();
      }
      if (!answer.ok && answer.status !== 400) {
        throw new Error(String(answer.status));
      }
      return answer.json();
    }

    async function now() {
      window.clearTimeout(timer);
      if (running) {
        running.abort();
      }
      const mine = new AbortController();
      running = mine;
      state.textContent = settings.words.counting;
      reach.classList.add("sg-old");
      try {
        const said = await post(settings.urls.estimate, { rule: page.rule() }, mine.signal);
        page.problems(said.problems || []);
        if (said.html) {
          reach.innerHTML = said.html;
          reach.classList.remove("sg-old");
        } else if (!reach.querySelector(".sg-total")) {
          reach.textContent = ""; // nothing was counted yet, and nothing is being
        }
        state.textContent = said.words || "";
        if (change) {
          change.textContent = said.change || "";
        }
      } catch (error) {
        if (error.name !== "AbortError") {
          state.textContent = settings.words.failed;
        }
      }
    }

    function soon() {
      window.clearTimeout(timer);
      timer = window.setTimeout(now, WAIT_MS);
      reach.classList.add("sg-old");
      state.textContent = settings.words.counting;
    }

    async function ask(text, member) {
      why.textContent = settings.words.looking;
      try {
        const said = await post(settings.urls.why, { rule: page.rule(), text: text, member: member });
        why.innerHTML = said.html;
      } catch {
        why.textContent = settings.words.failed;
      }
    }

    async function find(kind, text) {
      const known = (settings.options || {})[kind];
      if (known) {
        const wanted = text.toLowerCase();
        return known.filter(function (row) { return (row[2] + " " + row[1]).toLowerCase().includes(wanted); });
      }
      const key = kind + "\n" + text;
      if (!asked[key]) {
        const query = new URLSearchParams(Object.assign(place(), { of: kind, q: text }));
        try {
          const answer = await fetch(settings.urls.options + "?" + query, { headers: { Accept: "application/json" } });
          if (!answer.ok || answer.redirected) {
            return [];
          }
          asked[key] = (await answer.json()).results;
        } catch {
          return [];
        }
      }
      return asked[key];
    }

    if (form) {
      form.addEventListener("submit", function (event) {
        event.preventDefault();
        ask(form.querySelector("input").value, null);
      });
      why.addEventListener("click", function (event) {
        const chosen = event.target.closest("[data-member]");
        if (chosen) {
          ask("", Number(chosen.dataset.member));
        }
      });
    }
    return { now: now, soon: soon, find: find };
  }

  return { start: start };
})();
