/* Names for the controls that scripts of Django and its packages put in the place of plain ones, which have a label
   of their own: choices to search in (select2), and the two boxes of a choice of many. A screen reader would
   otherwise call them "combobox" and nothing else. */
"use strict";
{
    function nameChoice(select) {
        const [label] = select.labels;
        const shown = select.nextElementSibling?.querySelector(".select2-selection");
        if (!label || !shown) {
            return;
        }
        label.id ||= `${select.id}_label`;
        for (const part of [shown, ...shown.querySelectorAll("[role=textbox]")]) {
            const own = part.getAttribute("aria-labelledby") || "";
            if (!own.split(" ").includes(label.id)) {
                part.setAttribute("aria-labelledby", `${label.id} ${own}`.trim());
            }
        }
        shown.querySelector(".select2-search__field")?.setAttribute("aria-label", label.innerText.trim());
    }

    function nameEverything(part) {
        part.querySelectorAll("select.select2-hidden-accessible").forEach(nameChoice);
        for (const hint of part.querySelectorAll(".help-tooltip[aria-label]")) {
            hint.setAttribute("role", "img");
        }
    }

    // When the scripts that make these controls have run, and again where they made another one.
    addEventListener("load", () => nameEverything(document));
    document.addEventListener("formset:added", (event) => nameEverything(event.target));
    document.addEventListener("focusin", ({target}) => {
        if (target.matches(".select2-search__field:not([aria-label])")) {
            target.setAttribute("aria-label", "Search");
        }
    });
}
