/* The audience of a touch: lists of tags become a search with chips. */
(function () {
  "use strict";

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className || "";
    if (text !== undefined) {
      made.textContent = text;
    }
    return made;
  }

  function Picker(select) {
    const box = element("div", "cp-picker pd-input");
    const chips = element("span", "cp-chips");
    const input = element("input", "cp-picker-input");
    const list = element("ul", "cp-picker-list");
    let at = -1;
    input.setAttribute("aria-label", select.labels[0] ? select.labels[0].textContent : "");
    input.setAttribute("autocomplete", "off");
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-expanded", "false");
    input.placeholder = select.dataset.words || "";
    list.setAttribute("role", "listbox");
    list.hidden = true;
    box.append(chips, input, list);
    select.hidden = true;
    select.after(box);

    function options() {
      return Array.from(select.options);
    }
    function tell() {
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
    function drawChips() {
      chips.replaceChildren();
      options().filter(function (option) { return option.selected; }).forEach(function (option) {
        const chip = element("span", "pd-chip cp-chip", option.textContent);
        const remove = element("button", "cp-chip-remove", "×");
        remove.type = "button";
        remove.setAttribute("aria-label", (select.dataset.remove || "") + " " + option.textContent);
        remove.addEventListener("click", function () {
          option.selected = false;
          drawChips();
          tell();
          input.focus();
        });
        chip.append(remove);
        chips.append(chip);
      });
    }
    function matches() {
      const wanted = input.value.trim().toLowerCase();
      return options().filter(function (option) {
        const group = option.parentElement.label || "";
        return !option.selected && (group + " " + option.textContent).toLowerCase().includes(wanted);
      });
    }
    function drawList() {
      const found = matches();
      let group = null;
      list.replaceChildren();
      found.forEach(function (option, index) {
        const label = option.parentElement.label || "";
        if (label !== group) {
          group = label;
          const head = element("li", "cp-picker-group", label);
          head.setAttribute("role", "presentation");
          list.append(head);
        }
        const line = element("li", "cp-picker-option", option.textContent);
        line.setAttribute("role", "option");
        line.setAttribute("aria-selected", index === at ? "true" : "false");
        line.addEventListener("mousedown", function (event) {
          event.preventDefault();
          pick(option);
        });
        list.append(line);
      });
      if (!found.length) {
        list.append(element("li", "cp-picker-group", select.dataset.none || "–"));
      }
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      const current = list.querySelector("[aria-selected=true]");
      if (current) {
        current.scrollIntoView({ block: "nearest" });
      }
    }
    function close() {
      list.hidden = true;
      at = -1;
      input.setAttribute("aria-expanded", "false");
    }
    function pick(option) {
      option.selected = true;
      input.value = "";
      at = -1;
      drawChips();
      drawList();
      tell();
    }

    input.addEventListener("focus", drawList);
    input.addEventListener("blur", close);
    // What is searched for is no answer of the form: it must not ask for the count.
    input.addEventListener("change", function (event) { event.stopPropagation(); });
    input.addEventListener("input", function () {
      at = 0;
      drawList();
    });
    input.addEventListener("keydown", function (event) {
      const found = matches();
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const step = event.key === "ArrowDown" ? 1 : -1;
        at = Math.min(Math.max(at + step, 0), found.length - 1);
        drawList();
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (!list.hidden && found.length) {
          pick(found[Math.max(at, 0)]);
        }
      } else if (event.key === "Escape") {
        event.stopPropagation();
        close();
      } else if (event.key === "Backspace" && !input.value) {
        const chosen = options().filter(function (option) { return option.selected; });
        if (chosen.length) {
          chosen[chosen.length - 1].selected = false;
          drawChips();
          tell();
        }
      }
    });
    box.addEventListener("click", function (event) {
      if (event.target === box || event.target === chips) {
        input.focus();
      }
    });
    drawChips();
  }

  document.querySelectorAll("select[data-tag-picker]").forEach(Picker);

  // What was typed and not saved is not lost by leaving the page.
  const form = document.querySelector("form[data-guard]");
  if (form) {
    let isChanged = false;
    form.addEventListener("change", function () { isChanged = true; });
    form.addEventListener("submit", function () { isChanged = false; });
    window.addEventListener("beforeunload", function (event) {
      if (isChanged) {
        event.preventDefault();
      }
    });
  }
})();
