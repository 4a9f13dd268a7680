// Says times as the reader's clock does, and reads the page anew while somebody looks at it. Without this the page says them in UTC.
(() => {
    const language = document.documentElement.lang;
    const clock = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    const local = (root) => {
        for (const time of root.querySelectorAll("time[datetime]")) {
            const at = new Date(time.dateTime);
            if (Number.isNaN(at.getTime())) continue;
            time.title = time.textContent;
            time.textContent = clock.format(at);
        }
    };
    local(document);

    const again = async () => {
        if (document.hidden || document.querySelector("main :focus")) return;
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const main = fresh.querySelector("main");
        const old = document.querySelector("main");
        if (!main || !old) return;
        local(main);
        // What somebody opened stays open.
        const open = [...old.querySelectorAll("details")].map((details) => details.open);
        main.querySelectorAll("details").forEach((details, at) => {
            details.open = open[at] ?? false;
        });
        old.replaceWith(main);
        document.title = fresh.title;
    };
    setInterval(() => again().catch(() => {}), 60_000);
})();
