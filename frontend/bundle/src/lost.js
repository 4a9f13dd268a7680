
// A part could not be loaded. Whoever leaves a page while it loads ends the loading too: then nobody is here any more when the time is up.
// Otherwise the page is loaded anew, which helps when the portal serves another build by now; but not again and again. The code that
// waits for the part goes on waiting: without it there is nothing that it could do.
async function lost(error) {
    await new Promise((later) => setTimeout(later, 1000));
    const key = "slipway-part-lost";
    const before = Number(sessionStorage.getItem(key));
    if (Date.now() - before > 30000) {
        sessionStorage.setItem(key, Date.now());
        location.reload();
    } else {
        console.error(error);
    }
    return new Promise(() => {});
}
