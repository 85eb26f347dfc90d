// @segment/analytics-node as a server uses it: every type of call once, then numbered events of several people.
// Its default settings, but for the wait of a batch that is not full.
'use strict'

const { Analytics } = require('@segment/analytics-node')
const { version } = require('@segment/analytics-node/package.json')
const { address, writeKey, people, follow, say, run } = require('../line.cjs')

const made = {}
const failed = []
const analytics = new Analytics({ writeKey, host: address, flushInterval: 200 })

/** Passes a call on, and records the result. */
function call(type, message) {
  made[type] = (made[type] ?? 0) + 1
  analytics[type](message, (error) => {
    if (error) failed.push(String(error.reason ?? error))
  })
}

function everyCall() {
  const userId = 'caller'
  call('identify', { userId, traits: { email: 'caller@klaviyo-demo.com', plan: 'gold' } })
  call('track', { userId, event: 'Called', properties: { price: 39.95 } })
  call('page', { userId, name: 'Home', properties: { path: '/' } })
  call('screen', { userId, name: 'Start', properties: { tab: 1 } })
  call('group', { userId, groupId: 'g1', traits: { name: 'Guild' } })
  call('alias', { userId, previousId: 'caller-before' })
}

function hand(from, to) {
  if (from === 0) everyCall()
  for (let number = from; number < to; number += 1) {
    const userId = `person-${number % people}`
    call('track', { userId, event: 'Step', properties: { sequence: number + 1 } })
  }
}

run(async () => {
  await follow(hand)
  await analytics.closeAndFlush()
  say({ library: '@segment/analytics-node', version, made, failed })
})
