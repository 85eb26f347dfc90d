// A port that passes everything on to the daemon, and counts: the bytes, and the connections that are open.
'use strict'

const net = require('node:net')

/** Opens one. `bytes` is what has passed in both directions; `open(path)` the connections whose last request was for that. */
async function scales(address) {
  const { hostname, port } = new URL(address)
  const connections = new Map()
  const weighed = { bytes: 0 }
  const server = net.createServer((near) => {
    const far = net.connect(port, hostname)
    connections.set(near, '')
    near.on('data', (chunk) => {
      weighed.bytes += chunk.length
      const asked = /^[A-Z]+ (\S+) HTTP/.exec(chunk.toString('latin1'))
      if (asked) connections.set(near, asked[1])
    })
    far.on('data', (chunk) => (weighed.bytes += chunk.length))
    near.pipe(far).on('error', () => near.destroy())
    far.pipe(near).on('error', () => far.destroy())
    // Open until both sides have let go.
    let left = 2
    const gone = () => (left -= 1) || connections.delete(near)
    near.on('close', () => far.destroy() && gone())
    far.on('close', () => near.destroy() && gone())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  weighed.address = `http://127.0.0.1:${server.address().port}`
  weighed.open = (path) => [...connections.values()].filter((asked) => asked.startsWith(path)).length
  weighed.close = () => server.close()
  return weighed
}

module.exports = { scales }
