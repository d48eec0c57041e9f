/** Programs that show the SDK; each runs beside a server. */
package io.millpond.examples;
