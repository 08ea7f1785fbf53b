// The service's own probe, dist/liveness.js of the image. It hangs if the service says so.
'use strict';

const { existsSync } = require('node:fs');
const { dirname } = require('node:path');
const { probe, Timestamp } = require('k8s-liveness');

class Service extends Timestamp {
  maximumAge = { seconds: 20 }; // the default limit of service.js
}

if (existsSync(`${dirname(process.env.LIVENESS_PATH)}/hang`)) setInterval(() => {}, 1e6);
else probe(Service.byRef());
