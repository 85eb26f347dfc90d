// @rudderstack/rudder-sdk-node as a server uses it: every type of call once, then numbered events of several people.
// Its default settings, but for the wait of a batch that is not full, more retries than the default three (which are
// over within two seconds), and an error handler: without one the SDK ends the process when it gives up a batch.
'use strict'

const RudderAnalytics = require('@rudderstack/rudder-sdk-node')
const { version } = require('@rudderstack/rudder-sdk-node/package.json')
const { address, writeKey, people, follow, say, run } = require('../line.cjs')

const made = {}
const failed = []
let waiting = 0
const analytics = new RudderAnalytics(writeKey, {
  dataPlaneUrl: address,
  flushInterval: 200,
  retryCount: 10,
  logLevel: 'none',
  errorHandler: () => {},
})

/** Passes a call on, and records the result. */
function call(type, message) {
  made[type] = (made[type] ?? 0) + 1
  waiting += 1
  analytics[type](message, (error) => {
    waiting -= 1
    if (error) failed.push(String(error))
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
  // One flush() sends no more than one batch.
  while (waiting > 0) {
    await analytics.flush()
    await new Promise((resolve) => setImmediate(resolve))
  }
  say({ library: '@rudderstack/rudder-sdk-node', version, made, failed })
})
