/* The rule of a segment as a tree that can be changed, and its JSON form.

   A node is {id, isNegated, isGroup, mode, children} or {id, isNegated, data}; `data` is a
   condition as the server takes it. Every change is made on a copy of the whole tree, so
   that undo is going back to the one before. */
window.SegmentRule = (function () {
  "use strict";

  let counter = 0;

  function group(mode, children, isNegated) {
    counter += 1;
    return { id: "n" + counter, isGroup: true, mode: mode, children: children, isNegated: Boolean(isNegated) };
  }

  function row(data, isNegated) {
    counter += 1;
    return { id: "n" + counter, isGroup: false, data: data, isNegated: Boolean(isNegated) };
  }

  function read(rule, isNegated) {
    if (rule && typeof rule === "object" && !Array.isArray(rule) && !("on" in rule)) {
      if ("not" in rule) {
        return read(rule.not, !isNegated);
      }
      const mode = Array.isArray(rule.any) ? "any" : "all";
      const children = Array.isArray(rule[mode]) ? rule[mode] : [];
      return group(mode, children.map(function (each) { return read(each, false); }), isNegated);
    }
    return row(Object.assign({}, rule), isNegated);
  }

  function fromJson(rule) {
    const found = read(rule || { all: [] }, false);
    return found.isGroup && !found.isNegated ? found : group("all", [found]);
  }

  function toJson(node) {
    let said = node.data;
    if (node.isGroup) {
      said = {};
      said[node.mode] = node.children.map(toJson);
    }
    return node.isNegated ? { not: said } : said;
  }

  function copy(node) {
    return node.isGroup
      ? Object.assign({}, node, { children: node.children.map(copy) })
      : Object.assign({}, node, { data: structuredClone(node.data) });
  }

  function renamed(node) {
    counter += 1;
    const made = Object.assign({}, node, { id: "n" + counter });
    if (node.isGroup) {
      made.children = node.children.map(renamed);
    } else {
      made.data = structuredClone(node.data);
    }
    return made;
  }

  /* {node, parent, index} of an id; parent is null for the root. */
  function find(root, id, parent, index) {
    if (root.id === id) {
      return { node: root, parent: parent || null, index: index === undefined ? -1 : index };
    }
    for (let at = 0; root.isGroup && at < root.children.length; at += 1) {
      const found = find(root.children[at], id, root, at);
      if (found) {
        return found;
      }
    }
    return null;
  }

  function parentOf(root, node) {
    return find(root, node.id).parent;
  }

  /* One step up or down as the rows stand on the page: into a group that is next, out of
     one whose edge was reached. False when there is nowhere to go. */
  function move(root, id, step) {
    const at = find(root, id);
    if (!at || !at.parent) {
      return false;
    }
    const to = at.index + step;
    const siblings = at.parent.children;
    if (to < 0 || to >= siblings.length) {
      const above = parentOf(root, at.parent);
      if (!above) {
        return false;
      }
      siblings.splice(at.index, 1);
      const place = above.children.indexOf(at.parent);
      above.children.splice(step < 0 ? place : place + 1, 0, at.node);
      return true;
    }
    const neighbour = siblings[to];
    siblings.splice(at.index, 1);
    if (neighbour.isGroup) {
      neighbour.children.splice(step < 0 ? neighbour.children.length : 0, 0, at.node);
    } else {
      siblings.splice(to, 0, at.node);
    }
    return true;
  }

  function remove(root, id) {
    const at = find(root, id);
    if (!at || !at.parent) {
      return null;
    }
    at.parent.children.splice(at.index, 1);
    const next = at.parent.children[at.index] || at.parent.children[at.index - 1];
    return (next || at.parent).id;
  }

  function duplicate(root, id) {
    const at = find(root, id);
    const made = renamed(at.node);
    at.parent.children.splice(at.index + 1, 0, made);
    return made.id;
  }

  function wrap(root, id) {
    const at = find(root, id);
    const made = group(at.parent.mode === "all" ? "any" : "all", [at.node]);
    at.parent.children[at.index] = made;
    return at.node.id;
  }

  /* The id of the node a server's path ("all.0.not.any.1") leads to, as deep as it goes. */
  function idAt(root, path) {
    const steps = Array.isArray(path) ? path : String(path).split(/[^0-9A-Za-z_]+/);
    let node = root;
    steps.map(String).filter(Boolean).forEach(function (step) {
      if (node.isGroup && /^[0-9]+$/.test(step) && node.children[Number(step)]) {
        node = node.children[Number(step)];
      }
    });
    return node.id;
  }

  function count(node) {
    return node.isGroup
      ? node.children.reduce(function (sum, each) { return sum + count(each); }, 0)
      : 1;
  }

  /* What was, what is, and what was taken back. */
  function History(first) {
    let past = [];
    let future = [];
    let now = first;
    return {
      now: function () { return now; },
      change: function (work) {
        const next = copy(now);
        const answer = work(next);
        if (answer === false || JSON.stringify(toJson(next)) === JSON.stringify(toJson(now))) {
          return answer;
        }
        past.push(now);
        past = past.slice(-200);
        future = [];
        now = next;
        return answer;
      },
      undo: function () {
        if (!past.length) {
          return false;
        }
        future.push(now);
        now = past.pop();
        return true;
      },
      redo: function () {
        if (!future.length) {
          return false;
        }
        past.push(now);
        now = future.pop();
        return true;
      },
      canUndo: function () { return past.length > 0; },
      canRedo: function () { return future.length > 0; },
    };
  }

  return {
    group: group, row: row, fromJson: fromJson, toJson: toJson, find: find, move: move,
    remove: remove, duplicate: duplicate, wrap: wrap, idAt: idAt, count: count, History: History,
  };
})();
