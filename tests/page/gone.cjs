// A page whose daemon is gone shows it, with the time; before, it shows that it is live.
'use strict'

const { play, until, words } = require('./drive.cjs')

play(async ({ params, watch, visitor }) => {
  const page = await visitor()
  await page.goto('/')
  const heading = page.locator('h1')
  await until('the page is live', async () => /live · \d\d:\d\d:\d\d/.test(await words(heading)))
  process.kill(params.pid, 'SIGKILL')
  const banner = page.getByRole('alert')
  await until('the page shows that its figures are old', async () =>
    (await banner.isVisible()) && /No connection to the relay since \d\d:\d\d:\d\d/.test(await words(banner))
  )
  await until('it is not live', async () => !(await words(heading)).includes('live'))
  return { errors: watch.expected(/ERR_/) }
})
