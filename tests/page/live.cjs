// The overview stays live while somebody sees it, and requests nothing when nobody does.
'use strict'

const { play, until, words } = require('./drive.cjs')
const { scales } = require('./scales.cjs')

/** Has the page believe that its tab is hidden, or seen again: a browser without a screen hides none. */
function hide(page, hidden) {
  return page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: hidden })
    document.dispatchEvent(new Event('visibilitychange'))
  }, hidden)
}

play(async ({ params, watch, visitor }) => {
  const weighed = await scales(params.address)
  watch.origin = weighed.address
  const listening = (tabs) => until(`${tabs} tabs listen`, () => weighed.open('/live') === tabs)
  const page = await visitor({ baseURL: weighed.address })
  await page.goto('/')
  await listening(1)
  const before = await words(page.locator('main'))
  await fetch(`${params.ingest}/v1/track`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa('dev:')}` },
    body: JSON.stringify({ type: 'track', userId: 'u1', event: 'Seen At Once' }),
  })
  await until('the page shows a new event', async () => (await words(page.locator('main'))) !== before)

  await hide(page, true)
  await listening(0)
  await hide(page, false)
  await listening(1)
  await page.close()
  await listening(0)
  weighed.close()
  return { tabs: page.context().pages().length }
})
