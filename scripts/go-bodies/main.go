// Writes BSON documents (base64, one a line) as the relaxed Extended JSON of MongoDB's Go driver, which is what
// mongodb-nats-connector publishes. Run by scripts/record-connect-outputs.ts.
package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"os"

	"go.mongodb.org/mongo-driver/bson"
)

const longestLine = 64 << 20

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		document, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			panic(err)
		}
		text, err := bson.MarshalExtJSON(bson.Raw(document), false, false)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(text))
	}
}
