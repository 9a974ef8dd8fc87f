// Opens pages in Chromium, as wide as a phone, and prints one line for each defect.
//
//   node check.cjs <profile> site <folder>      every page of a site, its links and its pictures
//   node check.cjs <profile> trace <page>...    pages of `vault-authorizer trace --html`
//
// Exits with 0 if there is no defect, 1 if there are some, and 2 if the check itself failed. It speaks the DevTools
// protocol over a pipe, which needs no package and opens no port.

const { spawn } = require('node:child_process');
const { createServer } = require('node:http');
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const WIDTH = 390;
const HEIGHT = 844;
// A page that loads late has scripts that start late.
const SETTLE_MS = 100;
const PAGE_MS = 20_000;

const [profile, mode, ...subjects] = process.argv.slice(2);
const defects = [];

function devTools(browser) {
  const [write, read] = [browser.stdio[3], browser.stdio[4]];
  const waiting = new Map();
  const listeners = new Set();
  let number = 0;
  let text = '';
  const failed = (why) => waiting.forEach(({ reject }) => reject(new Error(why)));
  browser.on('error', (error) => failed(`Chromium did not start: ${error.message}`));
  browser.on('exit', (code) => failed(`Chromium ended with ${code}`));
  write.on('error', () => {});
  read.setEncoding('utf8');
  read.on('data', (piece) => {
    const messages = (text + piece).split('\0');
    text = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      const caller = waiting.get(message.id);
      waiting.delete(message.id);
      if (caller && message.error) caller.reject(new Error(message.error.message));
      else if (caller) caller.resolve(message.result);
      else listeners.forEach((listener) => listener(message));
    }
  });
  const send = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      waiting.set((number += 1), { resolve, reject });
      write.write(`${JSON.stringify({ id: number, method, params, sessionId })}\0`);
    });
  return { send, listeners };
}

// One tab, in which the pages are opened one after the other.
async function newTab({ send, listeners }) {
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  const call = (method, params) => send(method, params, sessionId);
  for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await call(`${domain}.enable`);
  await call('Emulation.setDeviceMetricsOverride', {
    width: WIDTH, height: HEIGHT, deviceScaleFactor: 1, mobile: false,
  });
  const tab = { call, events: [] };
  listeners.add((event) => {
    if (event.sessionId === sessionId) tab.events.push(event);
  });
  tab.run = async (expression) => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await call('Runtime.evaluate', options);
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  return tab;
}

// Opens it, and notes what is wrong with any page. `isOwn` knows the addresses that the page may load.
async function open(tab, url, name, isOwn) {
  const defect = (what) => defects.push(`${name}: ${what}`);
  tab.events.length = 0;
  const { errorText } = await tab.call('Page.navigate', { url });
  if (errorText) {
    defect(`does not open: ${errorText}`);
    return false;
  }
  const end = Date.now() + PAGE_MS;
  while (!tab.events.some(({ method }) => method === 'Page.loadEventFired')) {
    if (Date.now() > end) throw new Error(`${name} was not loaded within ${PAGE_MS} ms`);
    await new Promise((done) => setTimeout(done, 5));
  }
  const { wide, overflowing, broken } = await tab.run(`(async () => {
    await new Promise((done) => setTimeout(done, ${SETTLE_MS}));
    const pictures = [...document.images];
    pictures.forEach((picture) => { picture.loading = 'eager'; });
    await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
    const root = document.documentElement;
    // What scrolls in a box of its own can be read. What is cut off cannot.
    const scrolls = (element) => element && (/auto|scroll/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    const beyond = [...document.querySelectorAll('article *, main *')].filter((element) => {
      const { width, right } = element.getBoundingClientRect();
      return width > 1 && right > ${WIDTH} + 1 && element.checkVisibility() && !scrolls(element.parentElement);
    });
    return {
      wide: root.scrollWidth,
      overflowing: beyond.slice(0, 3).map((element) => element.outerHTML.slice(0, 80)),
      broken: pictures.filter(({ naturalWidth }) => naturalWidth === 0).map(({ src }) => src),
    };
  })()`);
  if (wide > WIDTH) defect(`is ${wide} pixels wide on a screen of ${WIDTH}`);
  overflowing.forEach((element) => defect(`is cut off at the right: ${element}`));
  broken.forEach((src) => defect(`a picture does not load: ${src}`));
  for (const { method, params } of tab.events) {
    if (method === 'Runtime.exceptionThrown') {
      defect(`a script fails: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
    } else if (method === 'Runtime.consoleAPICalled' && params.type === 'error') {
      defect(`the console has an error: ${params.args.map(({ value, description }) => value ?? description).join(' ')}`);
    } else if (method === 'Log.entryAdded' && params.entry.level === 'error') {
      defect(`the console has an error: ${params.entry.text} ${params.entry.url ?? ''}`);
    } else if (method === 'Network.requestWillBeSent' && !isOwn(params.request.url)) {
      defect(`sends a request: ${params.request.url}`);
    } else if (method === 'Page.javascriptDialogOpening') {
      defect('opens a dialog');
    }
  }
  return true;
}

const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.png': 'image/png', '.json': 'application/json' };

// Serves the folder, since a site's search does not work from a file.
function serve(folder) {
  const server = createServer((request, response) => {
    const file = path.join(folder, path.normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname)));
    fs.readFile(file, (error, bytes) => {
      response.writeHead(error ? 404 : 200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
      response.end(error ? '' : bytes);
    });
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

async function site(tab, folder) {
  const files = fs.readdirSync(folder, { recursive: true });
  const pages = files.filter((file) => file.endsWith('.html')).sort();
  const server = await serve(folder);
  const origin = `http://127.0.0.1:${server.address().port}`;
  const isOwn = (url) => url.startsWith(`${origin}/`) || url.startsWith('data:') || url.startsWith('blob:');
  const ids = new Map();
  const links = [];
  for (const page of pages) {
    if (!(await open(tab, `${origin}/${page}`, page, isOwn))) continue;
    const found = await tab.run(`({
      ids: [...document.querySelectorAll('[id], a[name]')].flatMap(({ id, name }) => [id, name]),
      links: [...document.querySelectorAll('a[href]')].map(({ href }) => href),
    })`);
    ids.set(page, new Set(found.ids));
    links.push(...found.links.map((link) => ({ page, link })));
  }
  let followed = 0;
  for (const { page, link } of links) {
    if (!isOwn(link)) continue;
    followed += 1;
    const { pathname, hash } = new URL(link);
    let target = decodeURIComponent(pathname).slice(1);
    if (target === '' || target.endsWith('/')) target += 'index.html';
    const anchor = decodeURIComponent(hash.slice(1));
    if (!fs.existsSync(path.join(folder, target))) defects.push(`${page}: a link leads nowhere: ${target}`);
    else if (anchor && ids.has(target) && !ids.get(target).has(anchor)) {
      defects.push(`${page}: a link leads to no heading: ${target}#${anchor}`);
    }
  }
  server.close();
  server.closeAllConnections();
  console.log(`opened ${pages.length} pages and followed ${followed} links`);
  if (pages.length === 0) throw new Error(`${folder} has no page`);
}

async function traces(tab, pages) {
  const paper = 'getComputedStyle(document.body).backgroundColor';
  for (const page of pages) {
    const url = pathToFileURL(page).href;
    const name = path.basename(page);
    const media = (value) =>
      tab.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
    await media('light');
    if (!(await open(tab, url, name, (own) => own === url))) continue;
    const { entries, marks, hidden } = await tab.run(`(() => {
      const [entries, marks] = ['.entries li', 'svg .mark'].map((what) => [...document.querySelectorAll(what)]);
      const isShown = (element) => {
        const { left, right, width, height } = element.getBoundingClientRect();
        return width > 0 && height > 0 && left >= 0 && right <= ${WIDTH} && element.checkVisibility();
      };
      const parts = [...entries, ...marks, ...document.querySelectorAll('h1, h2, dd, svg, svg text')];
      const hidden = parts.filter((part) => !isShown(part)).map((part) => part.outerHTML.slice(0, 80));
      return { entries: entries.length, marks: marks.length, hidden };
    })()`);
    hidden.forEach((part) => defects.push(`${name}: is not shown: ${part}`));
    if (entries === 0 || entries !== marks) defects.push(`${name}: ${entries} entries and ${marks} marks on the axis`);
    const light = await tab.run(paper);
    await media('dark');
    if ((await tab.run(paper)) === light) defects.push(`${name}: looks the same in the dark`);
    console.log(`${name}: ${entries} entries`);
  }
}

async function main() {
  fs.rmSync(profile, { recursive: true, force: true });
  const flags = ['--headless', '--remote-debugging-pipe', `--user-data-dir=${path.resolve(profile)}`, '--no-first-run',
    '--disable-background-networking', '--disable-dev-shm-usage'];
  // Chromium refuses to run as root in its sandbox, as a container's only user is.
  if (process.getuid() === 0) flags.push('--no-sandbox');
  const browser = spawn('chromium', [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  process.on('exit', () => browser.kill('SIGKILL'));
  const tools = devTools(browser);
  const tab = await newTab(tools);
  await (mode === 'site' ? site(tab, subjects[0]) : traces(tab, subjects));
  await Promise.all([new Promise((done) => browser.on('exit', done)), tools.send('Browser.close')]);
  defects.forEach((defect) => console.log(defect));
  process.exitCode = defects.length > 0 ? 1 : 0;
}

main().catch((error) => {
  console.error(error.message);
  process.exit(2);
});
