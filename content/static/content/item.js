/* The page of an item: counters, and the phone beside what is being written. */
(function () {
  "use strict";

  function counted(field, kind) {
    return kind === "bytes" ? new TextEncoder().encode(field.value).length : Array.from(field.value).length;
  }

  function watchCounter(counter) {
    const field = document.getElementById(counter.dataset.for);
    if (!field) {
      return;
    }
    const limit = Number(counter.dataset.limit);
    function show() {
      const size = counted(field, counter.dataset.counter);
      counter.querySelector("span").textContent = String(size);
      counter.classList.toggle("pd-field-error", size > limit);
    }
    field.addEventListener("input", show);
    show();
  }

  function watchText(name) {
    const field = document.getElementById("id_" + name);
    const shown = document.querySelectorAll("[data-preview='" + name + "']");
    if (!field || !shown.length) {
      return;
    }
    function show() {
      shown.forEach(function (place) {
        place.textContent = field.value || place.dataset.empty || "";
      });
    }
    field.addEventListener("input", show);
    show();
  }

  function watchPicture() {
    const field = document.getElementById("id_picture");
    const shown = document.querySelector("[data-preview='picture']");
    if (!field || !shown) {
      return;
    }
    let address = "";
    field.addEventListener("change", function () {
      const file = field.files[0];
      if (!file) {
        return;
      }
      if (address) {
        URL.revokeObjectURL(address);
      }
      address = URL.createObjectURL(file);
      shown.src = address;
      shown.hidden = false;
      document.querySelector("[data-file-name]").textContent = file.name;
      const none = document.querySelector("[data-no-picture]");
      if (none) {
        none.hidden = true;
      }
    });
  }

  // The server makes the HTML, so that the preview is what will be sent.
  function watchArticle() {
    const field = document.getElementById("id_body");
    const place = document.getElementById("article-html");
    if (!field || !place) {
      return;
    }
    let timer = 0;
    let asked = 0;
    async function show() {
      const turn = ++asked;
      const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
      const answer = await fetch(place.dataset.previewUrl, {
        method: "POST",
        headers: { "X-CSRFToken": token },
        body: new URLSearchParams({ body: field.value }),
      });
      if (answer.ok && !answer.redirected && turn === asked) {
        place.innerHTML = await answer.text();
      }
    }
    field.addEventListener("input", function () {
      window.clearTimeout(timer);
      timer = window.setTimeout(show, 400);
    });
  }

  // Words that are not saved must not be lost by a slip.
  function watchLeaving() {
    const form = document.getElementById("item-form");
    if (!form) {
      return;
    }
    let isChanged = false;
    form.addEventListener("input", function () { isChanged = true; });
    form.addEventListener("submit", function () { isChanged = false; });
    window.addEventListener("beforeunload", function (event) {
      if (isChanged) {
        event.preventDefault();
      }
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-counter]").forEach(watchCounter);
    if (document.querySelector("[data-item-kind='text']")) {
      watchText("body");
    }
    ["headline", "summary", "byline"].forEach(watchText);
    watchPicture();
    watchArticle();
    watchLeaving();
  });
})();
