namespace OrleansPd.Tools.Output;

/// <summary>How the process ends.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>It was asked rightly and could not be done.</summary>
    public const int Failure = 1;

    /// <summary>It was asked wrongly: nothing was started.</summary>
    public const int BadInput = 2;
}

/// <summary>What was asked for makes no sense; the message is one sentence for the user.</summary>
internal sealed class BadInputException(string message) : Exception(message);

/// <summary>It could not be done; the message is one sentence for the user.</summary>
internal sealed class CommandFailedException(string message) : Exception(message);
