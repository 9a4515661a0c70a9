// Package job is the life of one job.
package job
