"""The AWS CLI for tests that type its commands. `aws.py serve SOCKET` imports it once, and forks for each command;
`aws.py SOCKET ARGUMENTS...` is a command: it passes its standard files, directory and environment to that process."""
import json
import os
import select
import signal
import socket
import sys
import traceback


def command(path, arguments):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        request = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(s, [b"%9d" % len(request)], [0, 1, 2])
        s.sendall(request)
        answer = s.recv(1)
        return answer[0] if answer else 255


def run(connection):
    size, fds, _, _ = socket.recv_fds(connection, 9, 3)
    with connection.makefile("rb") as f:
        arguments, directory, environment = json.loads(f.read(int(size)))
    for theirs, ours in zip(fds, (0, 1, 2)):
        os.dup2(theirs, ours)
        os.close(theirs)
    os.chdir(directory)
    data = os.environ["AWS_DATA_PATH"]  # the CLI has set it when it was imported
    os.environ.clear()
    os.environ.update(environment, AWS_DATA_PATH=data)
    sys.argv = ["aws", *arguments]
    code = 255
    try:
        code = main()
    except SystemExit as e:
        code = e.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code & 255]))
        os._exit(0)


def serve(path):
    global main
    import time

    sleep = time.sleep
    time.sleep = lambda seconds: sleep(min(seconds, 0.4))  # its waiters sleep for 5 or 30 seconds
    from awscli.clidriver import main
    import awscli.customizations.cloudformation.deploy, s3transfer.manager  # else each command would import them

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen(64)
        print("ready", flush=True)
        while sys.stdin not in select.select([s, sys.stdin], [], [])[0]:  # until stdin is closed, because the test has ended
            connection, _ = s.accept()
            if os.fork() == 0:
                s.close()
                run(connection)
            connection.close()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        sys.exit(serve(sys.argv[2]))
    sys.exit(command(sys.argv[1], sys.argv[2:]))
