/* Filters with more choices than are drawn: the select becomes a field to search in, with
   a list below it. The select stays in the form, out of sight, and holds what is chosen.
   Keys: arrows go through the list, Enter chooses, Escape and Tab leave it as it was. */
(function () {
  "use strict";

  const WAIT_MS = 200;
  const LABEL_SPACE = /^[\u3000\s]+/;

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text || "";
    return made;
  }

  function start(select) {
    const box = select.parentElement;
    const field = element("input", "pd-input w-full");
    const list = element("ul", "pd-combo-list");
    // As the page came: [value, words, words of its group].
    const drawn = Array.from(select.options, function (option) {
      const group = option.parentElement.label || "";
      return [option.value, option.textContent, group];
    });
    const all = drawn[0];
    let chosen = drawn[select.selectedIndex] || all;
    let found = drawn;
    let at = -1;
    let timer = 0;
    let asked = 0;
    // Something was typed that the list does not show yet.
    let isLate = false;

    function words(choice) {
      return choice[1].replace(LABEL_SPACE, "");
    }
    function rest() {
      field.value = chosen[0] ? words(chosen) : "";
      field.title = field.value;
    }
    function close() {
      asked += 1;
      window.clearTimeout(timer);
      isLate = false;
      list.hidden = true;
      field.setAttribute("aria-expanded", "false");
      field.removeAttribute("aria-activedescendant");
    }
    function pick(choice) {
      if (!Array.from(select.options).some(function (each) { return each.value === choice[0]; })) {
        select.append(new Option(choice[1], choice[0]));
      }
      select.value = choice[0];
      chosen = choice;
      rest();
      close();
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
    function line(choice, index) {
      const made = element("li", "pd-combo-option", choice[1]);
      made.id = list.id + "-" + index;
      made.setAttribute("role", "option");
      made.setAttribute("aria-selected", index === at ? "true" : "false");
      if (choice[0] === chosen[0]) {
        made.classList.add("pd-combo-chosen");
      }
      made.addEventListener("mousedown", function (event) {
        event.preventDefault();
        pick(choice);
      });
      return made;
    }
    function draw(note) {
      let head = "";
      list.replaceChildren();
      found.forEach(function (choice, index) {
        if (choice[2] && choice[2] !== head) {
          head = choice[2];
          const made = element("li", "pd-combo-note", head);
          made.setAttribute("role", "presentation");
          list.append(made);
        }
        list.append(line(choice, index));
      });
      if (note) {
        const made = element("li", "pd-combo-note", note);
        made.setAttribute("role", "status");
        list.append(made);
      }
      list.hidden = false;
      field.setAttribute("aria-expanded", "true");
      mark();
    }
    function mark() {
      list.querySelectorAll("[role=option]").forEach(function (made, index) {
        made.setAttribute("aria-selected", index === at ? "true" : "false");
        if (index === at) {
          field.setAttribute("aria-activedescendant", made.id);
          made.scrollIntoView({ block: "nearest" });
        }
      });
      if (at < 0) {
        field.removeAttribute("aria-activedescendant");
      }
    }
    function open() {
      found = drawn;
      at = drawn.findIndex(function (choice) { return choice[0] === chosen[0]; });
      draw(select.dataset.more);
    }
    async function look() {
      const text = field.value.trim();
      asked += 1;
      const mine = asked;
      if (!text) {
        isLate = false;
        open();
        return;
      }
      let answered = null;
      try {
        const answer = await fetch(select.dataset.findChoices + "&q=" + encodeURIComponent(text), {
          headers: { Accept: "application/json" },
        });
        if (answer.ok && !answer.redirected) {
          answered = await answer.json();
        }
      } catch {
        // Said in the list below.
      }
      if (mine !== asked) {
        return;
      }
      isLate = false;
      found = answered ? answered.results.map(function (row) { return [row[0], row[1], ""]; }) : [];
      at = found.length ? 0 : -1;
      if (!answered) {
        draw(select.dataset.failed);
      } else if (answered.more) {
        draw(select.dataset.more);
      } else {
        draw(found.length ? "" : select.dataset.nothing);
      }
    }
    async function entered() {
      if (isLate) {
        window.clearTimeout(timer);
        await look();
      }
      if (!list.hidden && found[at]) {
        pick(found[at]);
      }
    }
    function pressed(event) {
      if (event.isComposing) {
        return;
      }
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) {
          open();
          return;
        }
        const step = event.key === "ArrowDown" ? 1 : -1;
        at = Math.min(Math.max(at + step, 0), found.length - 1);
        mark();
      } else if (event.key === "Enter" && (!list.hidden || isLate)) {
        event.preventDefault();
        entered();
      } else if (event.key === "Escape" && !list.hidden) {
        event.preventDefault();
        event.stopPropagation();
        rest();
        close();
      }
    }

    field.type = "text";
    field.id = select.id;
    field.placeholder = all[1];
    field.maxLength = 80;
    list.id = select.id + "-list";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", box.querySelector("label").textContent);
    Object.entries({
      role: "combobox",
      autocomplete: "off",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": list.id,
    }).forEach(function (pair) { field.setAttribute(pair[0], pair[1]); });
    select.removeAttribute("id");
    select.hidden = true;
    box.append(field, list);
    rest();

    field.addEventListener("click", function () {
      if (list.hidden) {
        field.select();
        open();
      }
    });
    field.addEventListener("input", function () {
      isLate = true;
      window.clearTimeout(timer);
      timer = window.setTimeout(look, WAIT_MS);
    });
    field.addEventListener("keydown", pressed);
    field.addEventListener("blur", function () {
      // An emptied field means all of them; anything else half typed means nothing.
      if (!field.value.trim() && chosen[0]) {
        pick(all);
      }
      rest();
      close();
    });
    // Looking up is no choice: the page must not take it for one.
    field.addEventListener("change", function (event) { event.stopPropagation(); });
  }

  // The filters come when they are opened.
  document.addEventListener("htmx:load", function (event) {
    const found = event.detail.elt;
    const selects = Array.from(found.querySelectorAll("select[data-find-choices]"));
    selects.filter(function (select) { return !select.hidden; }).forEach(start);
  });

  function failed(event) {
    const panel = event.target.closest("[data-late-filters]");
    if (panel) {
      panel.querySelector("[role=status]").hidden = true;
      panel.querySelector("[role=alert]").hidden = false;
    }
  }
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("click", function (event) {
    const panel = event.target.closest("button") && event.target.closest("[data-late-filters]");
    if (panel) {
      panel.querySelector("[role=status]").hidden = false;
      panel.querySelector("[role=alert]").hidden = true;
      window.htmx.trigger(panel, "again");
    }
  });
})();
