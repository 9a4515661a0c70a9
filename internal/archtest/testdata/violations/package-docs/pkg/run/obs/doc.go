// This package observes.
package obs
