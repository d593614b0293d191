/* The builder of a segment: a rule drawn as sentences in groups, changed by mouse or keys.
   What can be asked of members, and in which words, comes from the page (crm.segments). */
(function () {
  "use strict";

  const Rule = window.SegmentRule;
  const Parts = window.SegmentParts;
  const element = Parts.element;
  let settings, words, place, kinds, history, live, form, hidden;
  // {id of a node: words} of what the server refused.
  let problems = {};
  let isSaved = true;
  // Saving was refused and nothing was changed since: what is wrong is no mere hint.
  let isRefused = false;

  // -- what a condition shows

  function isEmpty(value) {
    return value === undefined || value === null || value === "" || (Array.isArray(value) && !value.length);
  }

  function applies(param, data) {
    return Object.entries(param.when || {}).every(function (pair) { return pair[1].includes(data[pair[0]]); });
  }

  function startOf(kind) {
    const data = Object.assign({ on: kind.on }, structuredClone(kind.start || {}));
    fill(kind, data);
    return data;
  }

  /* Values that must be there get their first choice; those that no longer fit go. */
  function fill(kind, data) {
    kind.params.forEach(function (param) {
      if (!applies(param, data)) {
        delete data[param.name];
      } else if (param.required && data[param.name] === undefined) {
        if (!isEmpty(param.default)) {
          data[param.name] = structuredClone(param.default);
        } else if (param.form === "choice" && param.choices.length) {
          data[param.name] = param.choices[0][0];
        } else if (/s$/.test(param.form)) {
          data[param.name] = [];
        } else {
          data[param.name] = "";
        }
      }
    });
  }

  function isShown(param, node, kind) {
    if (!applies(param, node.data)) {
      return false;
    }
    const isAsked = (node.shown || []).includes(param.name);
    const isOnly = !kind.params.some(function (each) { return each.required; }) && param === kind.params[0]
      && kind.params.every(function (each) { return node.data[each.name] === undefined; });
    return param.required || isAsked || isOnly || node.data[param.name] !== undefined || !isEmpty(param.default);
  }

  // -- changes

  function change(work, focus) {
    const answer = history.change(work);
    if (answer === false) {
      return;
    }
    changed();
    draw(typeof answer === "string" ? answer : focus);
  }

  function changed() {
    isSaved = false;
    isRefused = false;
    problems = {};
    write();
    live.soon();
  }

  function write() {
    hidden.value = JSON.stringify(json());
    tools();
  }

  function json() {
    const root = Rule.toJson(history.now());
    return history.now().children.length ? root : { all: [] };
  }

  function setValue(id, param, value, isTyping) {
    const at = Rule.find(history.now(), id);
    const old = at.node.data[param.name];
    const isSame = JSON.stringify(old) === JSON.stringify(value);
    if (isTyping) {
      // Not a step of its own to go back to, and nothing is redrawn under the fingers.
      if (!isSame) {
        live.soon();
        hidden.value = JSON.stringify(typed(id, param, value));
        isSaved = false;
      }
      return;
    }
    history.change(function (root) {
      const node = Rule.find(root, id).node;
      store(node, param, value);
    });
    if (!isSame) {
      changed();
    }
    const isTree = param.form === "choice" || param.form === "flag";
    if (isTree) {
      draw(id + param.name);
    }
  }

  function typed(id, param, value) {
    const copy = Rule.fromJson(json());
    const path = pathOf(id);
    let node = copy;
    path.forEach(function (index) { node = node.children[index]; });
    store(node, param, value);
    return Rule.toJson(copy);
  }

  function pathOf(id) {
    const found = Rule.find(history.now(), id);
    return found.parent ? pathOf(found.parent.id).concat([found.index]) : [];
  }

  function store(node, param, value) {
    const kind = kinds[node.data.on];
    node.shown = (node.shown || []).concat([param.name]);
    if (isEmpty(value) && !param.required) {
      delete node.data[param.name];
    } else {
      node.data[param.name] = value;
    }
    fill(kind, node.data);
  }

  function undo(isForth) {
    if (isForth ? history.redo() : history.undo()) {
      changed();
      draw();
    }
  }

  // -- drawing

  function draw(focus) {
    const wanted = focus || (document.activeElement && document.activeElement.dataset.focus);
    place.replaceChildren(drawGroup(history.now(), null, 0));
    const found = wanted && place.querySelector("[data-focus='" + CSS.escape(wanted) + "']");
    if (found) {
      (found.matches("input, select, button") ? found : found.querySelector("input, select, button")).focus();
    }
  }

  function connective(node, parent, index) {
    const word = parent.mode === "any" ? words.or : words.and;
    const plain = index ? word : words.holds;
    const not = index ? word + words.not : words.holds_not;
    return Parts.select([[false, plain], [true, not]], node.isNegated,
      { label: words.connective, focus: node.id, words: words },
      function (chosen) {
        change(function (root) { Rule.find(root, node.id).node.isNegated = chosen; }, node.id + "not");
      }, "not");
  }

  function button(sign, label, node, act) {
    const made = element("button", "sg-icon");
    const icon = element("span", "material-symbols-outlined", sign);
    icon.setAttribute("aria-hidden", "true");
    made.append(icon);
    made.type = "button";
    made.title = label;
    made.setAttribute("aria-label", label);
    made.dataset.focus = node.id + label;
    made.addEventListener("click", act);
    return made;
  }

  function toolsOf(node) {
    const box = element("span", "sg-tools");
    function step(by, label) {
      return function () {
        change(function (root) { return Rule.move(root, node.id, by) && undefined; }, node.id + label);
      };
    }
    box.append(
      button("keyboard_arrow_up", words.up, node, step(-1, words.up)),
      button("keyboard_arrow_down", words.down, node, step(1, words.down)),
      button("content_copy", words.duplicate, node, function () {
        change(function (root) { return Rule.duplicate(root, node.id); });
      }),
      button("data_array", words.wrap, node, function () {
        change(function (root) { return Rule.wrap(root, node.id); });
      }),
      button("close", words.remove, node, function () {
        change(function (root) { return Rule.remove(root, node.id); });
      }),
    );
    return box;
  }

  function told(node) {
    const box = element("div", "sg-problem");
    const text = problems[node.id];
    if (text) {
      box.textContent = text.words;
      box.classList.add(text.isHint ? "sg-hint" : "pd-field-error");
      box.setAttribute("role", text.isHint ? "note" : "alert");
    }
    return box;
  }

  function drawNode(node, parent, index) {
    const item = element("li", node.isGroup ? "sg-item sg-item-group" : "sg-item");
    item.dataset.node = node.id;
    item.append(node.isGroup ? drawGroup(node, parent, index) : drawRow(node, parent, index));
    return item;
  }

  function drawGroup(node, parent, index) {
    const box = element("div", "sg-group sg-mode-" + node.mode + (node.isNegated ? " sg-negated" : ""));
    box.dataset.node = node.id;
    const line = element("div", "sg-line");
    if (parent) {
      line.append(connective(node, parent, index));
    }
    line.append(element("span", "", parent ? words.following : words.meets));
    line.append(Parts.select([["all", words.all], ["any", words.any]], node.mode,
      { label: words.mode, focus: node.id, words: words },
      function (chosen) {
        change(function (root) { Rule.find(root, node.id).node.mode = chosen; }, node.id + "mode");
      }, "mode"));
    line.append(element("span", "", words.conditions));
    if (parent) {
      line.append(toolsOf(node));
    }
    box.append(line, told(node));
    const list = element("ol", "sg-list");
    node.children.forEach(function (child, at) { list.append(drawNode(child, node, at)); });
    box.append(list);
    if (!node.children.length) {
      box.append(element("p", "pd-muted sg-nothing", parent ? words.empty_group : words.everybody));
    }
    box.append(adds(node));
    return box;
  }

  function adds(node) {
    const box = element("div", "sg-adds");
    const select = element("select", "pd-input sg-select sg-adder");
    select.setAttribute("aria-label", words.add);
    select.dataset.focus = node.id + "add";
    const first = element("option", "", "＋ " + words.add);
    first.value = "";
    select.append(first);
    settings.catalogue.forEach(function (group) {
      const head = element("optgroup");
      head.label = group.label;
      group.conditions.forEach(function (kind) {
        const option = element("option", "", kind.label);
        option.value = kind.on;
        head.append(option);
      });
      select.append(head);
    });
    select.addEventListener("change", function () {
      const kind = kinds[select.value];
      if (kind) {
        change(function (root) {
          const made = Rule.row(startOf(kind));
          Rule.find(root, node.id).node.children.push(made);
          return made.id + "first";
        });
      }
    });
    const group = element("button", "pd-button sg-add-group", "＋ " + words.add_group);
    group.type = "button";
    group.addEventListener("click", function () {
      change(function (root) {
        const target = Rule.find(root, node.id).node;
        const made = Rule.group(target.mode === "all" ? "any" : "all", []);
        target.children.push(made);
        return made.id + "add";
      });
    });
    box.append(select, group);
    return box;
  }

  function drawRow(node, parent, index) {
    const kind = kinds[node.data.on];
    const box = element("div", "sg-row" + (node.isNegated ? " sg-negated" : ""));
    const line = element("div", "sg-line");
    line.append(connective(node, parent, index));
    if (!kind) {
      line.append(element("span", "pd-field-error", words.unknown_condition + " " + String(node.data.on)));
      line.append(toolsOf(node));
      box.append(line, told(node));
      return box;
    }
    const sentence = element("span", "sg-sentence");
    sentence.append(element("span", "sg-what", kind.label));
    const parts = kind.params.filter(function (param) { return isShown(param, node, kind); });
    parts.forEach(function (param, at) { sentence.append(drawPart(param, node, kind, at === 0)); });
    const rest = kind.params.filter(function (param) { return applies(param, node.data) && !parts.includes(param); });
    if (rest.length) {
      sentence.append(limiter(rest, node));
    }
    line.append(sentence, toolsOf(node));
    box.append(line, told(node));
    return box;
  }

  function drawPart(param, node, kind, isFirst) {
    const box = element("span", "sg-part");
    const context = {
      words: words, names: settings.names, find: live.find, focus: node.id + param.name,
      label: kind.label + " · " + (param.label || param.name),
      set: function (value, isTyping) { setValue(node.id, param, value, isTyping); },
    };
    if (param.before) {
      box.append(element("span", "sg-word", param.before));
    }
    const value = node.data[param.name];
    const control = Parts.draw(param, value === undefined ? param.default : value, context);
    box.append(control);
    if (param.after) {
      box.append(element("span", "sg-word", param.after));
    }
    const isOptional = !param.required && (node.data[param.name] !== undefined || (node.shown || []).includes(param.name));
    if (isOptional && isEmpty(param.default)) {
      box.append(button("close", words.unlimit + " " + (param.label || ""), node, function () {
        change(function (root) {
          const target = Rule.find(root, node.id).node;
          delete target.data[param.name];
          target.shown = (target.shown || []).filter(function (name) { return name !== param.name; });
        }, node.id + "more");
        draw(node.id + "more");
      }));
    }
    if (isFirst) {
      box.dataset.focus = node.id + "first";
    }
    return box;
  }

  function limiter(rest, node) {
    const select = element("select", "pd-input sg-select sg-more");
    select.setAttribute("aria-label", words.limit);
    select.dataset.focus = node.id + "more";
    const first = element("option", "", "＋ " + words.limit);
    first.value = "";
    select.append(first);
    rest.forEach(function (param) {
      const option = element("option", "", param.label || param.name);
      option.value = param.name;
      select.append(option);
    });
    select.addEventListener("change", function () {
      const target = Rule.find(history.now(), node.id).node;
      target.shown = (target.shown || []).concat([select.value]);
      draw(node.id + select.value);
    });
    return select;
  }

  // -- what the server says of the rule

  function show(found, isHint) {
    problems = {};
    const rest = [];
    found.forEach(function (each) {
      const id = Rule.idAt(history.now(), each[0]);
      const said = problems[id];
      problems[id] = { words: said ? said.words + " " + each[1] : each[1], isHint: isHint };
      if (id === history.now().id) {
        rest.push(each[1]);
      }
    });
    place.querySelectorAll("[data-node]").forEach(function (box) {
      const line = box.querySelector(":scope > .sg-problem, :scope > .sg-row > .sg-problem");
      if (!line) {
        return;
      }
      const text = problems[box.dataset.node];
      line.textContent = text ? text.words : "";
      line.className = "sg-problem" + (text ? (text.isHint ? " sg-hint" : " pd-field-error") : "");
    });
  }

  // -- keys and the bar

  function tools() {
    document.querySelector("[data-undo]").disabled = !history.canUndo();
    document.querySelector("[data-redo]").disabled = !history.canRedo();
  }

  function pressed(event) {
    const key = event.key.toLowerCase();
    const isTyped = event.target.matches("input, textarea") && event.target.dataset.kept !== undefined
      && event.target.value !== event.target.dataset.kept;
    const isOutside = event.target.matches("input, textarea") && !place.contains(event.target);
    if ((event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y")) {
      if (!isTyped && !isOutside) {
        event.preventDefault();
        undo(key === "y" || event.shiftKey);
      }
    } else if (event.altKey && !event.ctrlKey && (key === "arrowup" || key === "arrowdown")) {
      const box = event.target.closest("[data-node]");
      if (box && place.contains(box)) {
        event.preventDefault();
        const id = box.dataset.node;
        const focus = event.target.dataset.focus;
        change(function (root) { return Rule.move(root, id, key === "arrowup" ? -1 : 1) && undefined; }, focus);
      }
    }
  }

  function start() {
    place = document.getElementById("segment-rule");
    const data = document.getElementById("segment-settings");
    if (!data) {
      return;
    }
    settings = JSON.parse(data.textContent);
    words = settings.words;
    live = window.SegmentLive.start(settings, {
      rule: function () { return hidden ? JSON.parse(hidden.value) : settings.rule; },
      problems: function (found) { if (place) { show(found, !isRefused); } },
    });
    if (!place) {
      live.now();
      return;
    }
    form = document.getElementById("segment-form");
    hidden = form.querySelector("[name=rule]");
    kinds = {};
    settings.catalogue.forEach(function (group) {
      group.conditions.forEach(function (kind) { kinds[kind.on] = kind; });
    });
    history = Rule.History(Rule.fromJson(settings.rule));
    draw();
    write();
    if (settings.problems.length) {
      isRefused = true;
      show(settings.problems, false);
      isSaved = false;
    }
    live.now();
    document.addEventListener("keydown", pressed);
    document.querySelector("[data-undo]").addEventListener("click", function () { undo(false); });
    document.querySelector("[data-redo]").addEventListener("click", function () { undo(true); });
    form.addEventListener("change", function (event) { if (!place.contains(event.target)) { isSaved = false; live.soon(); } });
    form.addEventListener("submit", function () { isSaved = true; });
    // Enter in a condition means "that is my value", not "save it all".
    place.addEventListener("keydown", function (event) {
      if (event.key === "Enter" && event.target.matches("input")) {
        event.preventDefault();
        event.target.dispatchEvent(new Event("change"));
      }
    });
    window.addEventListener("beforeunload", function (event) {
      if (!isSaved) {
        event.preventDefault();
      }
    });
  }

  document.addEventListener("DOMContentLoaded", start);
})();
