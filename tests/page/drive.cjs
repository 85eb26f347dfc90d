// A browser of the machine, and what is recorded of every page that a scenario opens: requests to other addresses than
// this daemon's, errors of its script, and what was blocked for being markup or script.
//
// A scenario is a file next to this one that calls `play`. Its argument is JSON. It asserts nothing: it writes
// `{facts, complaints}` to stdout as JSON, and the test asserts them. It fails only when it cannot go on.
'use strict'

const { createRequire } = require('node:module')
const os = require('node:os')
const { join } = require('node:path')

// Where tests/page/prepare has installed them.
const installed = createRequire(join(__dirname, '../../target/page/package.json'))
const { chromium } = installed('playwright-core')

const NEVER = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
/** Milliseconds until a condition has to be true: the machine may be busy. */
const PATIENCE = 60_000
/** As many until a scenario has to be at its end. */
const LIMIT = 8 * PATIENCE

/** Starts a browser of the machine. */
function browse() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: PATIENCE,
    args: [...(os.userInfo().uid === 0 ? ['--no-sandbox'] : []), ...NEVER],
  })
}

/** What pages did that they must not do. */
class Watch {
  constructor(origin) {
    this.origin = origin
    this.complaints = []
    /** Other websites that a scenario visits. */
    this.known = []
  }

  /** Looks at every page of a context. */
  async over(context) {
    const complain = (where, what) => this.complaints.push(`${where}: ${what}`)
    context.on('console', (message) => message.type() === 'error' && complain(message.page()?.url(), message.text()))
    context.on('weberror', (error) => complain(error.page()?.url(), error.error()))
    context.on('dialog', (dialog) => complain(dialog.page()?.url(), `a dialog: ${dialog.message()}`))
    context.on('request', (request) => {
      const { origin, protocol } = new URL(request.url())
      const known = origin === this.origin || protocol === 'data:' || this.known.includes(origin)
      if (!known) complain(request.frame().url(), `asks ${request.url()}`)
    })
    await context.exposeBinding('violated', ({ frame }, what) => complain(frame.url(), `a violation of ${what}`))
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        window.violated(`${event.effectiveDirective} by ${event.blockedURI} (${event.sample})`)
      })
    })
  }

  /** Removes the complaints that a scenario causes on purpose; returns how many there were. */
  expected(words) {
    const left = this.complaints.filter((complaint) => !words.test(complaint))
    const count = this.complaints.length - left.length
    this.complaints = left
    return count
  }
}

/** Plays a scenario: `scenario({ params, watch, visitor, browser })`. */
async function play(scenario) {
  const params = JSON.parse(process.argv[2])
  const overdue = () => {
    console.error('the scenario does not end')
    process.exit(1)
  }
  setTimeout(overdue, LIMIT).unref()
  const browser = await browse()
  const watch = new Watch(params.address)
  try {
    const visitor = async (options = {}) => {
      const context = await browser.newContext({ baseURL: params.address, timezoneId: 'Asia/Kolkata', locale: 'en-GB', ...options })
      context.setDefaultTimeout(PATIENCE)
      await watch.over(context)
      return context.newPage()
    }
    const facts = await scenario({ params, watch, visitor, browser })
    process.stdout.write(JSON.stringify({ facts: facts ?? null, complaints: watch.complaints }))
  } catch (error) {
    console.error(error)
    for (const page of browser.contexts().flatMap((context) => context.pages())) {
      console.error(`at ${page.url()}: ${await words(page.locator('body'))}`)
    }
    console.error('pages complained:', watch.complaints)
    process.exitCode = 1
  } finally {
    await browser.close()
  }
}

/** What is read on a page, spaces normalised. */
async function words(part) {
  return (await part.innerText()).replace(/\s+/g, ' ').trim()
}

/** Looks until something is so; fails with what was waited for when it never is. */
async function until(what, look) {
  const end = Date.now() + PATIENCE
  while (!(await look())) {
    if (Date.now() >= end) throw new Error(`timed out: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Where a page is, without the daemon's address. */
function path(page) {
  const { pathname, search } = new URL(page.url())
  return pathname + search
}

/** Fills in the form that asks for the token. */
async function logIn(page, token) {
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Log in' }).click()
}

module.exports = { PATIENCE, browse, installed, logIn, path, play, until, words }
