// Which part of the page is shown follows the address, so that the browser's back button works.
const wholeTitle = document.title;
let wholeScroll = 0, cameFrom = -1;

function route() {
  const found = /^#\/cluster\/(.*)$/.exec(location.hash);
  let name = null;
  try { name = found && decodeURIComponent(found[1]); } catch { name = null; }
  const row = name === null ? -1 : clusterNames.indexOf(name);
  const whole = byId("whole"), page = byId("cluster");
  if (row < 0) {
    page.hidden = true;
    const back = whole.hidden;
    whole.hidden = false;
    document.title = wholeTitle;
    if (back && cameFrom >= 0) {
      const target = location.hash && !found ? byId(decodeURIComponent(location.hash.slice(1))) : null;
      if (target && target.id !== "clusters") target.scrollIntoView();
      else {
        scrollTo(0, wholeScroll);
        tableRows[cameFrom].querySelector("a").focus({ preventScroll: wholeScroll > 0 });
      }
      cameFrom = -1;
    }
    return;
  }
  if (!whole.hidden) wholeScroll = scrollY;
  cameFrom = row;
  whole.hidden = true;
  page.hidden = false;
  document.title = `${P.names.shown[row]} - ${wholeTitle}`;
  scrollTo(0, 0);
  byId("cluster-name").focus({ preventScroll: true });
  delete document.documentElement.dataset.cluster;
  showCluster(row).then(() => { document.documentElement.dataset.cluster = name; }).catch(failed);
}

function failed(error) {
  document.documentElement.dataset.failed = String(error);
  console.error(error);
}

document.documentElement.classList.add("js");
setUpTable();
setUpCluster();
addEventListener("hashchange", route);
route();
// The table answers at once; the drawings follow.
setUpViews().then(() => { document.documentElement.dataset.ready = "views"; }).catch(failed);
