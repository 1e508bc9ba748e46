
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

  // A photo covers the page as long as the address names it. Who closes it is back where they were.
  const photoOf = (hash) => (hash.startsWith("#photo-") ? document.getElementById(hash.slice(1)) : null);
  let from = null;
  let place = [0, 0];
  const close = () => {
    history.replaceState(null, "", location.pathname + location.search + "#photos");
    location.replace("#photos");
    if (from) {
      scrollTo({ left: place[0], top: place[1], behavior: "instant" });
      from.focus({ preventScroll: true });
      from = null;
    }
  };
  const open = (photo) => {
    location.replace("#" + photo.id);
    photo.querySelector(".close").focus({ preventScroll: true });
  };
  addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    if (link.classList.contains("close")) {
      event.preventDefault();
      close();
      return;
    }
    const photo = photoOf(link.hash);
    if (photo && link.pathname === location.pathname) {
      event.preventDefault();
      if (photoOf(location.hash) === null) {
        from = link;
        place = [scrollX, scrollY];
      }
      open(photo);
    }
  });
  addEventListener("keydown", (event) => {
    const photo = photoOf(location.hash);
    if (!photo || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = { ArrowRight: photo.nextElementSibling, ArrowLeft: photo.previousElementSibling }[event.key];
    if (event.key === "Escape") close();
    else if (next) open(next);
    else return;
    event.preventDefault();
  });
});
