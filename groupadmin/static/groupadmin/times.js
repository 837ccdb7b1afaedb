/* Shows every <time data-local> in the reader's own time zone; UTC stays in its title. */
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
}
