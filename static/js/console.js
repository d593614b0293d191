/* What every page of the console does. No inline scripts: the CSP allows none. */
(function () {
  "use strict";

  // Unsafe htmx requests carry the CSRF token of the page's own cookie-less form field.
  function csrfToken() {
    const field = document.querySelector("input[name=csrfmiddlewaretoken]");
    return field ? field.value : "";
  }
  document.addEventListener("htmx:configRequest", function (event) {
    if (event.detail.verb !== "get") {
      event.detail.headers["X-CSRFToken"] = csrfToken();
    }
  });

  // A session that ended answers a fragment with the log-in page: go there as a whole.
  document.addEventListener("htmx:beforeSwap", function (event) {
    const address = event.detail.xhr.responseURL || "";
    if (address.includes("/admin/login/")) {
      event.detail.shouldSwap = false;
      window.location.reload();
    }
  });

  // Dangerous buttons: <button data-confirm="text">; with data-confirm-value the person
  // types the name back.
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-confirm]");
    if (!button) {
      return;
    }
    const expected = button.dataset.confirmValue;
    const agreed = expected
      ? window.prompt(button.dataset.confirm) === expected
      : window.confirm(button.dataset.confirm);
    if (!agreed) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // <button data-copy="#id"> copies what that element shows.
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-copy]");
    const source = button && document.querySelector(button.dataset.copy);
    if (!source) {
      return;
    }
    const text = (source.value || source.textContent).trim();
    navigator.clipboard.writeText(text).then(function () {
      const before = button.textContent;
      button.textContent = button.dataset.copied || "✓";
      window.setTimeout(function () { button.textContent = before; }, 1500);
    });
  });

  // A refused form comes back at the top of a long page: go to what is wrong.
  document.addEventListener("DOMContentLoaded", function () {
    const wrong = document.querySelector(".pd-field-error[role=alert]");
    if (wrong) {
      wrong.scrollIntoView({ block: "center" });
    }
  });

  // <button data-print>: the CSP allows no inline handlers.
  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-print]")) {
      window.print();
    }
  });

  // j / k walk through the rows of a list, Enter opens, / searches, Esc leaves a field.
  function rows() {
    return Array.from(document.querySelectorAll("#result_list tbody tr, [data-rows] > *"));
  }
  function isTyping(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }
  function move(step) {
    const all = rows();
    if (!all.length) {
      return;
    }
    const at = all.findIndex(function (row) { return row.classList.contains("pd-current"); });
    const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
    all.forEach(function (row) { row.classList.remove("pd-current"); });
    next.classList.add("pd-current");
    next.scrollIntoView({ block: "nearest" });
  }
  // <a data-key="e">: the key presses it; in a field it begins to write there.
  function press(event) {
    const target = document.querySelector('[data-key="' + event.key + '"]');
    if (!target) {
      return;
    }
    event.preventDefault();
    if (isTyping(target)) {
      target.focus();
    } else {
      target.click();
    }
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (isTyping(event.target)) {
      if (event.key === "Escape") {
        event.target.blur();
      }
      return;
    }
    if (event.key === "j") {
      move(1);
    } else if (event.key === "k") {
      move(-1);
    } else if (event.key === "Enter") {
      const link = document.querySelector(".pd-current a[href]");
      if (link) {
        link.click();
      }
    } else if (/^[a-z]$/.test(event.key)) {
      press(event);
    }
  });

  // The theme writes the name of a chosen file into the text field of its own widget. Where
  // a page draws the file field itself there is none, and its script would end in an error.
  function hasNameField(input) {
    const widget = input.parentNode.parentNode && input.parentNode.parentNode.parentNode;
    return Boolean(widget && widget.querySelector("input[type=text][disabled]"));
  }
  function keepThemeOff() {
    document.querySelectorAll("input[type=file]").forEach(function (input) {
      if (!hasNameField(input)) {
        input.hasChangeListener = true; // what the theme looks at
      }
    });
  }
  // Before the theme, which listens from "load" on.
  document.addEventListener("DOMContentLoaded", function () {
    keepThemeOff();
    new MutationObserver(keepThemeOff).observe(document.body, { childList: true, subtree: true });
  });

  // The theme's button of the filters is a link without an address: no key reaches it.
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("a:not([href])").forEach(function (link) {
      if (link.getAttribute("x-on:click") !== "filterOpen = true") {
        return;
      }
      link.tabIndex = 0;
      link.setAttribute("role", "button");
      link.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          event.stopPropagation();
          link.click();
        }
      });
    });
  });
})();
