// A visitor who leaves the shop. Arguments, after the usual: "npm" or "snippet", and "standard" or "batching". The test
// writes what the visitor does, one word a line, and each is answered when it is done: a number (make that many more
// numbered events), "leave" (go to a page without the SDK), "return" (open the shop again). A closed tab does the same to
// the page, but Chromium lets it finish only if the machine has time for it.
'use strict'

const { address, writeKey, rest, lines, say, run } = require('../line.cjs')
const { open, browse, visit, arrive, version, library } = require('./shop.cjs')

const [way, strategy] = rest
const failed = []

run(async () => {
  // A batch that would wait for ever: only leaving sends it.
  const deliveryStrategy =
    strategy === 'batching' ? { strategy, config: { size: 1000, timeout: 3600000 } } : undefined
  const site = await open({ way, address, writeKey, deliveryStrategy })
  const browser = await browse()
  const context = await browser.newContext()
  const tab = await visit(context, site.url, failed)
  let sequence = 0

  const does = {
    leave: () => tab.goto(`${site.url}elsewhere`),
    return: () => arrive(tab, site.url),
  }
  const step = async (more) => {
    const track = ([from, to]) => {
      const calls = from === 0 ? [analytics.identify('person-0')] : []
      for (let sequence = from + 1; sequence <= to; sequence += 1) calls.push(analytics.track('Step', { sequence }))
      return Promise.all(calls).then(() => {})
    }
    // A call's promise is kept once it is in the batch, or else once its first attempt is over. What is still on its way
    // through the page when the visitor leaves, the SDK loses.
    await tab.evaluate(track, [sequence, sequence + more])
    sequence += more
  }
  say({ did: 'arrive' })
  for await (const line of lines()) {
    await (does[line] ?? (() => step(Number(line))))()
    say({ did: line })
  }
  await browser.close()
  site.close()
  say({ library, version, made: { track: sequence }, failed })
})
