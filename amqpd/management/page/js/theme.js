// Runs before anything is drawn, so that the page never flashes in the other colours.
"use strict";
{
  const theme = localStorage.getItem("amqpd.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
