module sluice/go-bodies

go 1.26.8

require go.mongodb.org/mongo-driver v1.17.4 // indirect
