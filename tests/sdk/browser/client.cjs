// @segment/analytics-next as shops use it: one visitor makes every type of call, several others numbered ones, each in
// a browser of their own (a browser knows one visitor). Arguments, after the usual: "npm" or "snippet", and "standard"
// or "batching". The visitors stay until stdin ends: what a closed tab leaves behind is another test.
'use strict'

const { address, writeKey, people, rest, follow, say, run } = require('../line.cjs')
const { open, browse, visit, version, library } = require('./shop.cjs')

const [way, strategy] = rest
const made = {}
const failed = []

function count(type, times) {
  made[type] = (made[type] ?? 0) + times
}

async function everyCall(tab) {
  await tab.evaluate(() => {
    analytics.identify('caller', { email: 'caller@klaviyo-demo.com', plan: 'gold' })
    analytics.track('Called', { price: 39.95 })
    analytics.page('Home', { path: '/' })
    analytics.screen('Start', { tab: 1 })
    analytics.group('g1', { name: 'Guild' })
    analytics.alias('caller-after', 'caller')
  })
  for (const type of ['identify', 'track', 'page', 'screen', 'group', 'alias']) count(type, 1)
}

run(async () => {
  const deliveryStrategy =
    strategy === 'batching' ? { strategy, config: { size: 10, timeout: 200 } } : undefined
  const site = await open({ way, address, writeKey, deliveryStrategy })
  const browser = await browse()
  const arrive = async () => visit(await browser.newContext(), site.url, failed)
  const tabs = []

  await follow(async (from, to) => {
    if (from === 0) {
      await everyCall(await arrive())
      for (let person = 0; person < people; person += 1) {
        const tab = await arrive()
        await tab.evaluate((id) => void analytics.identify(id), `person-${person}`)
        tabs.push(tab)
      }
      count('identify', people)
    }
    const numbers = tabs.map(() => [])
    for (let number = from + 1; number <= to; number += 1) numbers[(number - 1) % people].push(number)
    const step = (own) => own.forEach((sequence) => void analytics.track('Step', { sequence }))
    await Promise.all(tabs.map((tab, person) => tab.evaluate(step, numbers[person])))
    count('track', to - from)
  })

  const machine = `Chromium ${browser.version()}`
  await browser.close()
  site.close()
  say({ library, version, machine, made, failed })
})
