/* Shows every <time data-local> in the reader's own time zone; UTC stays in its title. What has a data-until says
   how much time is left until that moment, to the minute. */
"use strict";
{
    const clock = new Intl.DateTimeFormat(document.documentElement.lang || undefined, {
        day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    });
    for (const element of document.querySelectorAll("time[data-local]")) {
        const moment = new Date(element.dateTime);
        if (!Number.isNaN(moment.getTime())) {
            element.textContent = clock.format(moment);
        }
    }

    const limits = document.querySelectorAll("[data-until]");
    function tellTimeLeft() {
        for (const element of limits) {
            const minutes = Math.floor((new Date(element.dataset.until) - Date.now()) / 60_000);
            element.textContent = minutes < 0 ? "(over)" : `(${minutes || "less than 1"} min left)`;
        }
    }
    if (limits.length) {
        tellTimeLeft();
        setInterval(tellTimeLeft, 5000);
    }
}
