namespace OrleansPd.Tools.Traces;

/// <summary>A trace file is malformed; the message says where.</summary>
internal sealed class TraceFormatException(string message) : Exception(message);
