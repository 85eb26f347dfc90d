// A shop's page with @segment/analytics-next from npm, bundled as a shop bundles it.
import { AnalyticsBrowser } from '@segment/analytics-next'

const { address, writeKey, deliveryStrategy } = window.shop

window.analytics = AnalyticsBrowser.load(
  { writeKey, cdnURL: address },
  {
    integrations: {
      'Segment.io': { apiHost: `${new URL(address).host}/v1`, protocol: 'http', deliveryStrategy },
    },
  },
)
