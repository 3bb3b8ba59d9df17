namespace OrleansPd.Tools.Replay;

/// <summary>The names under which failed requests are counted; HTTP statuses count as <c>http 503</c> and the like.</summary>
internal static class FailureKind
{
    public const string Aborted = "aborted by the engine";
    public const string BadAnswer = "unreadable answer";
    public const string Broken = "connection broken";
    public const string Connect = "cannot connect";
    public const string CutStream = "stream ended without [DONE]";
    public const string Empty = "no output";
    public const string ErrorEvent = "error event in the stream";
    public const string Mismatch = "wrong answer";
    public const string Timeout = "timeout";
}
