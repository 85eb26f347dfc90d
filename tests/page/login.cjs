// Logging in with the token, being where one wanted to be, and out again.
'use strict'

const { logIn, path, play, words } = require('./drive.cjs')

const WANTED = '/?from=a%20colleague'

play(async ({ params, watch, visitor }) => {
  const page = await visitor()
  await page.goto(WANTED)
  const without_token = path(page)
  await logIn(page, 'this-is-not-the-token')
  const alert = await words(page.getByRole('alert'))
  const rejected = watch.expected(/401/)
  const cookies_after_wrong_token = await page.context().cookies()
  await logIn(page, params.token)
  await page.waitForURL(WANTED)

  const cookies = await page.context().cookies()
  const readable_by_script = await page.evaluate(() => document.cookie)

  await page.getByRole('button', { name: 'Log out' }).click()
  await page.waitForURL('/login')
  const cookies_after_logout = await page.context().cookies()
  await page.goto('/')
  const after_logout = path(page)
  return { without_token, alert, rejected, cookies_after_wrong_token, cookies, readable_by_script, cookies_after_logout, after_logout }
})
