// Renews the page, copies the policy. Everything on it is there without this.
'use strict';

const EVERY_MS = 5000;
const live = document.getElementById('live');
let isLive = true;

function armed() {
  for (const button of document.querySelectorAll('[data-copy]')) button.hidden = false;
}

// Whoever reads, marks or types is not disturbed.
function isBusy() {
  const selection = getSelection();
  return document.hidden || (selection !== null && !selection.isCollapsed);
}

// What tells an element from its successor.
function mark(element) {
  if (element.id) return '#' + CSS.escape(element.id);
  if (element.localName === 'summary') return '#' + CSS.escape(element.parentElement.id) + ' > summary';
  return element.hasAttribute('href') ? 'a[href="' + CSS.escape(element.getAttribute('href')) + '"]' : null;
}

function swap(next) {
  const old = document.getElementById('main');
  for (const details of old.querySelectorAll('details[id]')) {
    const successor = next.querySelector('#' + CSS.escape(details.id));
    if (successor) successor.open = details.open;
  }
  const focused = old.contains(document.activeElement) ? mark(document.activeElement) : null;
  const scrolled = [...old.querySelectorAll('.wide, pre')].map((box) => box.scrollLeft);
  const [x, y] = [scrollX, scrollY];
  old.replaceWith(document.adoptNode(next));
  [...next.querySelectorAll('.wide, pre')].forEach((box, at) => { box.scrollLeft = scrolled[at] || 0; });
  armed();
  const successor = focused && next.querySelector(focused);
  if (successor) successor.focus({ preventScroll: true });
  scrollTo(x, y);
}

function say(text, className) {
  const status = document.getElementById('status');
  // Said again only when it changes: it is read aloud.
  if (status.textContent !== text) status.textContent = text;
  status.className = className;
}

async function renew() {
  if (!isLive || isBusy()) return;
  try {
    const answer = await fetch(location.pathname + location.search, { cache: 'no-store' });
    if (!answer.ok) throw new Error('status ' + answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const status = next.getElementById('status');
    if (isBusy()) return;
    swap(next.getElementById('main'));
    document.title = next.title;
    say(status.textContent, status.className);
  } catch {
    say('The guard does not answer: what stands here is old.', 'bad');
  }
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    // No clipboard over plain http: the old way.
    getSelection().selectAllChildren(text);
    document.execCommand('copy');
    getSelection().removeAllRanges();
  }
  const before = button.textContent;
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = before; }, 2000);
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-copy]');
  if (button) copy(button);
});

live.hidden = false;
live.addEventListener('click', () => {
  isLive = !isLive;
  live.textContent = isLive ? 'Pause updates' : 'Resume updates';
  if (isLive) renew();
});

// A link to a metric opens it.
const linked = location.hash && document.getElementById(location.hash.slice(1));
if (linked && linked.localName === 'details') linked.open = true;

armed();
setInterval(renew, EVERY_MS);
