// The page again, every half minute, unless nobody sees it, or somebody is about to use it: is writing, stands on a link
// by the keyboard, has unfolded something or marked a text.
setInterval(() => {
  const at = document.activeElement;
  const busy = at && at !== document.body && at.id !== "main";
  const reading = String(getSelection()) !== "" || document.querySelector("details[open]");
  if (!busy && !reading && document.visibilityState === "visible") location.reload();
}, 30000);
