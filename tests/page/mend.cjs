// A group of dead letters is sent again, and every one of them is seen to arrive.
'use strict'

const { play, words } = require('./drive.cjs')

play(async ({ told, visitor }) => {
  const page = await visitor(told.script === false ? { javaScriptEnabled: false } : {})
  await page.goto('/dead')
  await page.getByRole('link', { name: `Replay ${told.count} events` }).click()
  await page.waitForURL(/\/change\?/)

  const asked = await words(page.getByRole('heading', { level: 1 }))
  const rows = await page.getByRole('main').locator('tbody tr').count()
  await page.getByRole('link', { name: 'Cancel' }).click()
  await page.waitForURL('/dead')
  const groups_after_cancel = await page.getByRole('main').locator('section.group').count()

  await page.getByRole('link', { name: `Replay ${told.count} events` }).click()
  await page.getByRole('button', { name: `Send ${told.count} events again` }).click()
  await page.waitForURL('/dead')
  const done = await words(page.getByRole('status').first())

  for (const id of told.ids) {
    await page.goto(`/events/${id}`)
    const arrived = page.getByRole('main').locator('.badge', { hasText: 'delivered' }).first()
    // The page follows an event that is on its way; without script it is asked for again.
    while (told.script === false && !(await arrived.isVisible())) await page.reload()
    await arrived.waitFor()
  }
  await page.goto('/dead')
  await page.getByText('Nothing is dead.').waitFor()
  return { asked, rows, groups_after_cancel, done }
})
