// A shop's day in a few calls, with something for every page.
'use strict'

const track = (userId, event, properties, messageId) => ({ type: 'track', userId, event, properties, messageId })

/** Orders that arrive, two kinds of calls that Klaviyo refuses, people who wait behind another, and what is skipped. */
function day() {
  const calls = []
  for (let n = 1; n <= 60; n += 1) {
    const order = track(`u${n}`, 'Order Completed', {
      order_id: `A-${1000 + n}`,
      total: 20 + n,
      currency: 'EUR',
      products: [{ product_id: 'P-7', name: 'Kettle', price: 20 + n, quantity: 1 }],
    })
    calls.push({ ...order, context: { traits: { email: `person${n}@klaviyo-demo.com` } } })
    if (n % 4 === 0) calls.push(track(`u${n}`, 'Product Viewed', { product_id: 'P-7', name: 'Kettle' }))
    if (n % 15 === 0) calls.push({ type: 'page', anonymousId: `visitor${n}`, name: 'Home' })
    if (n % 20 === 0) calls.push(track(`u${n}`, 'Coupon Used', { code: `C-${n}`, sandbox_script: [400] }))
  }
  calls.push({ type: 'identify', userId: 'u1', traits: { email: 'person1@klaviyo-demo.com', firstName: 'Ada', plan: 'gold' } })
  for (const user of ['carla', 'dora']) {
    calls.push(track(user, 'Parcel Lost', { sandbox_script: [422], parcel: user }))
    for (let n = 1; n <= 4; n += 1) calls.push(track(user, 'Parcel Found', { n }))
  }
  return calls
}

module.exports = { day }
