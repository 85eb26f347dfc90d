// What a first view weighs: every byte that passes between a browser that never was here and the daemon.
'use strict'

const { play } = require('./drive.cjs')
const { scales } = require('./scales.cjs')

play(async ({ params, watch, visitor }) => {
  const weights = {}
  for (const path of params.paths) {
    const weighed = await scales(params.address)
    watch.origin = weighed.address
    const page = await visitor({ baseURL: weighed.address })
    const live = page.waitForResponse(/\/live/)
    await page.goto(path)
    // A page that stays live has begun to.
    if (await page.locator('[data-live]').count()) await live
    live.catch(() => {})
    weights[path] = weighed.bytes
    await page.context().close()
    weighed.close()
  }
  return weights
})
