// Package crash kills things.
package crash
