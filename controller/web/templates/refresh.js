// The page again, every half minute, unless somebody is writing or choosing in it or nobody sees it.
setInterval(() => {
  const at = document.activeElement;
  const busy = at && ["INPUT", "SELECT"].includes(at.tagName);
  const reading = String(getSelection()) !== "";
  if (!busy && !reading && document.visibilityState === "visible") location.reload();
}, 30000);
