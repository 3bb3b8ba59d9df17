namespace OrleansPd.Tools.Output;

/// <summary>The exit codes of the process.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The input was valid, but the command failed.</summary>
    public const int Failure = 1;

    /// <summary>The input was invalid; nothing was started.</summary>
    public const int BadInput = 2;
}

/// <summary>The input is invalid; the message is one sentence for the user.</summary>
internal sealed class BadInputException(string message) : Exception(message);

/// <summary>The command failed; the message is one sentence for the user.</summary>
internal sealed class CommandFailedException(string message) : Exception(message);
