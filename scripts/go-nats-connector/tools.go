//go:build tools

// Pins mongodb-nats-connector, whose output scripts/record-nats-connector-outputs.ts records.
package tools

import _ "github.com/damianiandrea/mongodb-nats-connector/pkg/connector"
