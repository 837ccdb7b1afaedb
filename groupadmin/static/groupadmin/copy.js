/* Buttons that copy the text of the field whose id is their data-copy. Without JavaScript they stay hidden, and the
   text can be selected. */
"use strict";
for (const button of document.querySelectorAll("button[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
        field.select();
        try {
            await navigator.clipboard.writeText(field.value);
        } catch { // not over plain HTTP
            document.execCommand("copy");
        }
        button.textContent = button.dataset.done;
        setTimeout(() => { button.textContent = label; }, 2000);
    });
}
