// A group of dead letters is sent again, and every one of them is seen to arrive.
'use strict'

const { play, words } = require('./drive.cjs')

play(async ({ params, visitor }) => {
  const page = await visitor(params.script === false ? { javaScriptEnabled: false } : {})
  await page.goto('/dead')
  await page.getByRole('link', { name: `Replay ${params.count} events` }).click()
  await page.waitForURL(/\/change\?/)

  const question = await words(page.getByRole('heading', { level: 1 }))
  const rows = await page.getByRole('main').locator('tbody tr').count()
  await page.getByRole('link', { name: 'Cancel' }).click()
  await page.waitForURL('/dead')
  const groups_after_cancel = await page.getByRole('main').locator('section.group').count()

  await page.getByRole('link', { name: `Replay ${params.count} events` }).click()
  await page.getByRole('button', { name: `Send ${params.count} events again` }).click()
  await page.waitForURL('/dead')
  const done = await words(page.getByRole('status').first())

  for (const id of params.ids) {
    await page.goto(`/events/${id}`)
    const arrived = page.getByRole('main').locator('.badge', { hasText: 'delivered' }).first()
    // The page follows an event that is on its way; without script it is requested again.
    while (params.script === false && !(await arrived.isVisible())) await page.reload()
    await arrived.waitFor()
  }
  await page.goto('/dead')
  await page.getByText('Nothing is dead.').waitFor()
  return { question, rows, groups_after_cancel, done }
})
