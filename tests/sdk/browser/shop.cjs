// A shop's website on an origin of its own, and a browser to visit it with.
//
// The website serves one page with the SDK, and others without. The SDK is bundled from npm, or comes by Segment's
// classic snippet. That has the relay's host instead of Segment's, for its script and its settings, as in docs/setup/sdks.md;
// and its scheme, since nothing here speaks TLS.
'use strict'

const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { chromium } = require('playwright-core')
const esbuild = require('esbuild')
const snippet = require('@segment/snippet')
const { version } = require('@segment/analytics-next/package.json')

const SCRIPT = '/analytics.min.js'
const NEVER = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** The page's script, bundled. */
function bundle() {
  const built = esbuild.buildSync({
    entryPoints: [path.join(__dirname, 'npm.js')],
    bundle: true,
    write: false,
    nodePaths: [process.env.NODE_PATH],
  })
  return built.outputFiles[0].text
}

/** Segment's snippet for this daemon, and whatever it is to be loaded with. */
function snippetFor(address, writeKey, deliveryStrategy) {
  const { host } = new URL(address)
  const load = deliveryStrategy ? { integrations: { 'Segment.io': { deliveryStrategy } } } : true
  return snippet
    .max({ host, apiKey: writeKey, useHostForBundles: true, load, page: false })
    .replaceAll(`https://${host}`, address)
}

/** Serves the website. Answers its address. */
async function open({ way, address, writeKey, deliveryStrategy }) {
  const settings = JSON.stringify({ address, writeKey, deliveryStrategy })
  const head =
    way === 'npm'
      ? `<script>window.shop = ${settings}</script><script src="${SCRIPT}"></script>`
      : `<script>${snippetFor(address, writeKey, deliveryStrategy)}</script>`
  const page = `<!doctype html><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">${head}`
  const served = { '/': ['text/html', page] }
  if (way === 'npm') served[SCRIPT] = ['text/javascript', bundle()]
  const server = http.createServer((request, response) => {
    const [type, body] = served[request.url] ?? ['text/html', '<!doctype html><title>Elsewhere</title>']
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  // Another name than the daemon's, so that it is another site and not only another port.
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() }
}

/** Starts a browser of the machine. */
async function browse() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    // The machine may be busy; the test has the patience.
    timeout: 0,
    args: [...(os.userInfo().uid === 0 ? ['--no-sandbox'] : []), ...NEVER],
  })
}

/** Opens the shop in a tab of its own; `failed` collects what goes wrong there. */
async function visit(context, url, failed) {
  context.setDefaultTimeout(0)
  const tab = await context.newPage()
  tab.on('pageerror', (error) => failed.push(`the page: ${error}`))
  await tab.exposeFunction('noteFailure', (why) => failed.push(why))
  await arrive(tab, url)
  return tab
}

/** Opens the shop's page, and waits until the SDK is there. */
async function arrive(tab, url) {
  await tab.goto(url)
  await tab.evaluate(() => {
    analytics.on('error', ({ code, reason }) => window.noteFailure(`${code}: ${reason}`))
    return new Promise((resolve) => analytics.ready(resolve))
  })
}

module.exports = { open, browse, visit, arrive, version, library: '@segment/analytics-next' }
