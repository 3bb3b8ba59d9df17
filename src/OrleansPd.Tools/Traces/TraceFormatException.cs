namespace OrleansPd.Tools.Traces;

/// <summary>A trace file is not what it should be; the message says where.</summary>
internal sealed class TraceFormatException(string message) : Exception(message);
