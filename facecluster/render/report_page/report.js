
"use strict";
// Looking works without this. It finds names, and goes through photos by keys.
addEventListener("DOMContentLoaded", () => {
  const find = document.getElementById("find");
  if (find) {
    const cards = [...document.querySelectorAll(".covers li")];
    const nobody = document.querySelector(".nobody");
    const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    find.hidden = cards.length < 2;
    find.addEventListener("input", () => {
      const wanted = plain(find.value.trim());
      let shown = 0;
      for (const card of cards) {
        card.hidden = wanted !== "" && !plain(card.dataset.name).includes(wanted);
        shown += card.hidden ? 0 : 1;
      }
      nobody.hidden = shown > 0;
    });
  }

  // A photo covers the page as long as the address names it. Who closes it, or goes back, is where they were.
  const photoOf = (hash) => (hash.startsWith("#photo-") ? document.getElementById(hash.slice(1)) : null);
  let from = null;
  let place = [0, 0];
  let before = "";
  const close = () => {
    if (from) history.back();
    else location.replace("#photos");
  };
  addEventListener("hashchange", () => {
    const photo = photoOf(location.hash);
    if (photo) photo.querySelector(".close").focus({ preventScroll: true });
    else if (from) {
      if (location.hash === before) {
        scrollTo({ left: place[0], top: place[1], behavior: "instant" });
        from.focus({ preventScroll: true });
      }
      from = null;
    }
  });
  addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    if (link.classList.contains("close")) {
      event.preventDefault();
      close();
    } else if (photoOf(link.hash) && link.pathname === location.pathname) {
      if (photoOf(location.hash)) event.preventDefault();
      else [from, place, before] = [link, [scrollX, scrollY], location.hash];
    }
  });
  addEventListener("keydown", (event) => {
    const photo = photoOf(location.hash);
    if (!photo || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = { ArrowRight: photo.nextElementSibling, ArrowLeft: photo.previousElementSibling }[event.key];
    if (event.key === "Escape") close();
    else if (next) location.replace(`#${next.id}`);
    else return;
    event.preventDefault();
  });
});
