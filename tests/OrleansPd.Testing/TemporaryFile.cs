namespace OrleansPd.Testing;

/// <summary>A file that goes when the test ends.</summary>
public sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(string content, string extension = "txt")
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"{Guid.NewGuid():N}.{extension}");
        File.WriteAllText(Path, content);
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);
}
