/* What a condition is filled in with: one control for each form of a value.

   `draw(param, value, context)` returns an element. context: words, names ({kind: {id:
   words}}), find(kind, text) → Promise of [[id, words, hint]], set(value, isTyping),
   label (what the control is called), focus (its key, for finding it again). */
window.SegmentParts = (function () {
  "use strict";

  const WAIT_MS = 200;

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className || "";
    if (text !== undefined) {
      made.textContent = text;
    }
    return made;
  }

  function named(made, context, more) {
    made.setAttribute("aria-label", more ? context.label + " · " + more : context.label);
    made.dataset.focus = context.focus + (more || "");
    return made;
  }

  function select(choices, value, context, chosen, more) {
    const made = named(element("select", "pd-input sg-select"), context, more);
    choices.forEach(function (choice) {
      const option = element("option", "", choice[1]);
      option.value = String(choice[0]);
      option.selected = choice[0] === value;
      made.append(option);
    });
    if (!choices.some(function (choice) { return choice[0] === value; })) {
      const option = element("option", "", context.words.choose);
      option.value = "";
      option.selected = true;
      made.prepend(option);
    }
    made.addEventListener("change", function () {
      const found = choices.find(function (choice) { return String(choice[0]) === made.value; });
      if (found) {
        chosen(found[0]);
      }
    });
    return made;
  }

  function input(type, value, context, read, more) {
    const made = named(element("input", "pd-input sg-input sg-input-" + type), context, more);
    made.type = type === "number" ? "text" : type;
    if (type === "number") {
      made.inputMode = "decimal";
      made.placeholder = context.words.number;
    }
    made.value = value === undefined || value === null ? "" : String(value);
    made.dataset.kept = made.value;
    made.addEventListener("input", function () { context.set(read(made.value), true); });
    made.addEventListener("change", function () {
      made.dataset.kept = made.value;
      context.set(read(made.value), false);
    });
    return made;
  }

  /* What was typed as a number where it is one; else as it is, so that the server says
     what is wrong and nothing typed is lost. */
  function asNumber(text) {
    const plain = text.normalize("NFKC").trim().replace(/,/g, "");
    return /^-?[0-9]+(\.[0-9]+)?$/.test(plain) ? Number(plain) : text.trim();
  }

  function asText(text) {
    return text;
  }

  // -- search with chips

  function Picker(settings, context) {
    const box = element("div", "pd-input sg-picker");
    const chips = element("span", "sg-chips");
    const field = named(element("input", "sg-picker-input"), context, settings.more);
    const list = element("ul", "sg-picker-list");
    let found = [];
    let at = 0;
    let timer = 0;
    let asked = 0;
    // Something was typed that the list does not show yet.
    let isLate = false;
    field.setAttribute("autocomplete", "off");
    field.setAttribute("role", "combobox");
    field.setAttribute("aria-expanded", "false");
    field.setAttribute("aria-autocomplete", "list");
    list.setAttribute("role", "listbox");
    list.id = "list-" + context.focus + (settings.more || "");
    field.setAttribute("aria-controls", list.id);
    list.hidden = true;
    box.append(chips, field, list);

    function values() {
      return settings.values();
    }
    function drawChips() {
      chips.replaceChildren();
      values().forEach(function (value) {
        const words = settings.wordsOf(value);
        const chip = element("span", "pd-chip sg-chip", words);
        const remove = element("button", "sg-chip-remove", "×");
        remove.type = "button";
        remove.setAttribute("aria-label", context.words.remove + " " + words);
        remove.addEventListener("click", function () {
          take(values().filter(function (each) { return each !== value; }));
          field.focus();
        });
        chip.append(remove);
        chips.append(chip);
      });
      field.placeholder = values().length ? "" : settings.placeholder || context.words.search;
      field.size = values().length ? 4 : 12;
    }
    function take(next) {
      settings.take(next);
      drawChips();
    }
    async function look() {
      asked += 1;
      window.clearTimeout(timer);
      const mine = asked;
      const answer = await settings.find(field.value.trim());
      if (mine !== asked || document.activeElement !== field) {
        return;
      }
      found = answer.filter(function (each) { return !values().includes(each[0]); });
      at = 0;
      isLate = false;
      if (!found.length && !field.value.trim() && values().length) {
        // All there is was chosen: a list that says so would lie on what comes next.
        close();
      } else {
        drawList();
      }
    }
    function drawList() {
      let head = null;
      list.replaceChildren();
      found.forEach(function (each, index) {
        if (each[2] && settings.isGrouped && each[2] !== head) {
          head = each[2];
          const line = element("li", "sg-picker-group", head);
          line.setAttribute("role", "presentation");
          list.append(line);
        }
        const line = element("li", "sg-picker-option", each[1]);
        line.id = list.id + "-" + index;
        line.setAttribute("role", "option");
        line.setAttribute("aria-selected", index === at ? "true" : "false");
        if (each[2] && !settings.isGrouped) {
          line.append(element("span", "pd-muted", " " + each[2]));
        }
        line.addEventListener("mousedown", function (event) {
          event.preventDefault();
          pick(each);
        });
        list.append(line);
      });
      if (!found.length) {
        const words = settings.isFree && field.value.trim() ? context.words.enter : context.words.nothing;
        list.append(element("li", "sg-picker-group", words));
      }
      list.hidden = false;
      field.setAttribute("aria-expanded", "true");
      const current = list.querySelector("[aria-selected=true]");
      field.setAttribute("aria-activedescendant", current ? current.id : "");
      if (current) {
        current.scrollIntoView({ block: "nearest" });
      }
    }
    function close() {
      asked += 1;
      list.hidden = true;
      field.setAttribute("aria-expanded", "false");
    }
    function pick(each) {
      settings.learn(each);
      field.value = "";
      take(settings.isSingle ? [each[0]] : values().concat([each[0]]));
      if (settings.isSingle) {
        close();
      } else {
        look();
      }
    }
    function soon() {
      isLate = true;
      window.clearTimeout(timer);
      timer = window.setTimeout(look, WAIT_MS);
    }
    async function entered() {
      if (isLate && !settings.isFree) {
        await look();
      }
      if (!list.hidden && !isLate && found[at]) {
        pick(found[at]);
      } else if (settings.isFree && field.value.trim()) {
        pick([field.value.trim(), field.value.trim(), ""]);
      }
    }
    function pressed(event) {
      if (event.isComposing) {
        return;
      }
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (list.hidden) {
          look();
          return;
        }
        at = Math.min(Math.max(at + (event.key === "ArrowDown" ? 1 : -1), 0), Math.max(found.length - 1, 0));
        drawList();
      } else if (event.key === "Enter") {
        event.preventDefault();
        entered();
      } else if (event.key === "Escape" && !list.hidden) {
        event.stopPropagation();
        close();
      } else if (event.key === "Backspace" && !field.value && values().length) {
        take(values().slice(0, -1));
      }
    }
    field.addEventListener("focus", look);
    field.addEventListener("input", function () { if (settings.isFree || field.value) { soon(); } else { look(); } });
    field.addEventListener("blur", function () {
      close();
      if (settings.isFree && field.value.trim()) {
        pick([field.value.trim(), field.value.trim(), ""]);
        close();
      }
    });
    field.addEventListener("keydown", pressed);
    // What is searched for is no answer: it must not count as a change of the rule.
    field.addEventListener("change", function (event) { event.stopPropagation(); });
    box.addEventListener("click", function (event) {
      if (event.target === box || event.target === chips) {
        field.focus();
      }
    });
    drawChips();
    return box;
  }

  function ofList(value) {
    return Array.isArray(value) ? value : value === undefined || value === null || value === "" ? [] : [value];
  }

  function choicesPicker(param, value, context) {
    let chosen = ofList(value);
    return Picker({
      values: function () { return chosen; },
      wordsOf: function (one) {
        const known = param.choices.find(function (each) { return each[0] === one; });
        return known ? known[1] : String(one);
      },
      take: function (next) { chosen = next; context.set(next, false); },
      learn: function () {},
      find: function (text) {
        const wanted = text.toLowerCase();
        return Promise.resolve(param.choices.filter(function (each) {
          return each[1].toLowerCase().includes(wanted);
        }));
      },
    }, context);
  }

  function idsPicker(param, value, context) {
    const known = context.names[param.of] || (context.names[param.of] = {});
    const isSingle = param.form === "id";
    let chosen = ofList(value);
    return Picker({
      isSingle: isSingle,
      isGrouped: param.of === "tag",
      values: function () { return chosen; },
      wordsOf: function (one) { return known[one] || "#" + one; },
      take: function (next) {
        chosen = isSingle ? next.slice(-1) : next;
        context.set(isSingle ? chosen[0] : chosen, false);
      },
      learn: function (each) { known[each[0]] = each[1]; },
      find: function (text) { return context.find(param.of, text); },
    }, context);
  }

  function freePicker(param, value, context) {
    let chosen = ofList(value);
    const isNumber = param.form === "wholes";
    return Picker({
      isFree: true,
      placeholder: context.words.type,
      values: function () { return chosen; },
      wordsOf: String,
      take: function (next) {
        chosen = isNumber ? next.map(function (each) { return asNumber(String(each)); }) : next;
        context.set(chosen, false);
      },
      learn: function () {},
      find: function (text) {
        return Promise.resolve((param.choices || []).filter(function (each) { return each[1].includes(text); }));
      },
    }, context);
  }

  function flag(param, value, context) {
    const choices = param.choices && param.choices.length === 2
      ? param.choices
      : [[true, context.words.yes], [false, context.words.no]];
    return select(choices, value, context, function (chosen) { context.set(chosen, false); });
  }

  // -- properties of an event: key, sign, value

  function where(param, value, context) {
    const rows = ofList(value);
    const box = element("span", "sg-wheres");
    function tell(isTyping) {
      context.set(rows, isTyping);
    }
    function line(row, index) {
      const made = element("span", "sg-where");
      function part(key, read, more) {
        const inner = Object.assign({}, context, { set: function (said, isTyping) { row[key] = said; tell(isTyping); } });
        return input("text", row[key], inner, read, more + index);
      }
      made.append(part("key", function (text) { return text.trim(); }, context.words.property));
      made.append(select(context.words.signs, row.is, context, function (chosen) {
        row.is = chosen;
        if (chosen === "known") {
          delete row.value;
        }
        draw();
        tell(false);
      }, context.words.sign + index));
      if (row.is !== "known") {
        made.append(part("value", row.is === "gte" || row.is === "lte" ? asNumber : asText, context.words.value));
      }
      const remove = element("button", "sg-icon", "×");
      remove.type = "button";
      remove.title = context.words.remove;
      remove.setAttribute("aria-label", context.words.remove);
      remove.addEventListener("click", function () {
        rows.splice(index, 1);
        draw();
        tell(false);
      });
      made.append(remove);
      return made;
    }
    function draw() {
      box.replaceChildren();
      rows.forEach(function (row, index) { box.append(line(row, index)); });
      const add = named(element("button", "sg-add", "+ " + context.words.property), context, "+");
      add.type = "button";
      add.addEventListener("click", function () {
        rows.push({ key: "", is: "eq", value: "" });
        draw();
        tell(false);
      });
      box.append(add);
    }
    draw();
    return box;
  }

  const DRAWN = {
    choice: function (param, value, context) {
      return select(param.choices, value, context, function (chosen) { context.set(chosen, false); });
    },
    choices: choicesPicker,
    id: idsPicker,
    ids: idsPicker,
    whole: function (param, value, context) { return input("number", value, context, asNumber); },
    number: function (param, value, context) { return input("number", value, context, asNumber); },
    wholes: freePicker,
    text: function (param, value, context) { return input("text", value, context, asText); },
    texts: freePicker,
    flag: flag,
    date: function (param, value, context) { return input("date", value, context, asText); },
    where: where,
  };

  return {
    element: element,
    select: select,
    draw: function (param, value, context) { return DRAWN[param.form](param, value, context); },
  };
})();
